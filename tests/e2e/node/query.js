// SPDX-License-Identifier: MIT
// node query.js URL SQL [PARAMETER ...]: one extended-protocol query with node-postgres; rows as JSON.
const { Client } = require("pg");

async function main([url, sql, ...parameters]) {
	const client = new Client({ connectionString: url });
	client.on("notice", (n) => console.error(`${n.severity}: ${n.message}`));
	await client.connect();
	try {
		const result = await client.query({ text: sql, values: parameters });
		console.log(JSON.stringify(result.rows));
	} catch (e) {
		console.error(JSON.stringify({ code: e.code, message: e.message, detail: e.detail, hint: e.hint }));
		process.exitCode = 1;
	} finally {
		await client.end();
	}
}

main(process.argv.slice(2)).catch((e) => {
	console.error(e.message);
	process.exitCode = 2;
});
