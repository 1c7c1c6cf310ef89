// SPDX-License-Identifier: MIT
//
// Cedar's side of bench/decide.py: the same rules and commands, decided by its WebAssembly build.
//
//   node decide_cedar.js FOLDER POLICIES COMMANDS VERDICTS
//
// FOLDER has node_modules. The policies are parsed once; each call is timed by itself. What a call
// costs however few the rules are is Cedar's binding (requests and entities as JSON), so the
// growth is what can be compared.
"use strict";
const fs = require("fs");
const path = require("path");
const [folder, policies, commands, verdicts] = process.argv.slice(2);
const cedar = require(path.join(path.resolve(folder), "node_modules/@cedar-policy/cedar-wasm/nodejs"));

let start = process.hrtime.bigint();
const parsed = cedar.preparsePolicySet("bench", { staticPolicies: fs.readFileSync(policies, "utf8") });
if (parsed.type !== "success") {
	console.error(JSON.stringify(parsed.errors[0]));
	process.exit(1);
}
const loaded = Number(process.hrtime.bigint() - start) / 1e6;

const requests = fs.readFileSync(commands, "utf8").trimEnd().split("\n").map((line) => {
	const [groups, target, action, table, where] = line.split("\t");
	const user = { type: "User", id: "ana" };
	const resource = { type: "Table", id: table };
	const schema = { type: "Schema", id: table.split(".")[0] };

	return {
		principal: user,
		action: { type: "Action", id: action },
		resource,
		context: { target, where: where === "1", kind: "human" },
		preparsedPolicySetId: "bench",
		validateRequest: false,
		entities: [
			{ uid: user, attrs: {}, parents: groups.split(",").map((id) => ({ type: "Group", id })) },
			{ uid: resource, attrs: {}, parents: [schema] },
		],
	};
});

const times = [];
let letters = "";
for (const r of requests) {
	start = process.hrtime.bigint();
	const answer = cedar.statefulIsAuthorized(r);
	times.push(Number(process.hrtime.bigint() - start));
	if (answer.type !== "success" || answer.response.diagnostics.errors.length) {
		console.error(JSON.stringify(answer));
		process.exit(1);
	}
	letters += answer.response.decision === "allow" ? "a" : "d";
}
times.sort((a, b) => a - b);
const quantile = (p) => times[Math.floor((times.length - 1) * p / 100)];
fs.writeFileSync(verdicts, letters);
console.log(JSON.stringify({
	commands: times.length, median_ns: quantile(50), p99_ns: quantile(99), load_ms: loaded,
}));
