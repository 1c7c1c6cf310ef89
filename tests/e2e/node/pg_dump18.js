// SPDX-License-Identifier: MIT
// PostgreSQL 18's pg_dump, compiled to WebAssembly, over a TCP connection:
//
//   node pg_dump18.js HOST PORT CONNINFO [OPTION ...]      the dump to standard output
//
// It hands what it writes to a function and wants the whole answer by the time that returns. So a thread has
// the socket, and this one waits until what came ends with something that the client must answer.
const { Worker, MessageChannel, receiveMessageOnPort, workerData, parentPort, isMainThread } =
	require("node:worker_threads");

const ANSWER_MS = 30000;

function socketThread({ host, port, arrived, out }) {
	const socket = require("node:net").connect(port, host).setNoDelay(true);
	const tell = (bytes) => {
		out.postMessage(bytes);
		Atomics.add(arrived, 0, 1);
		Atomics.notify(arrived, 0);
	};
	socket.on("data", tell);
	socket.on("close", () => tell(null));
	socket.on("error", () => {});
	parentPort.on("message", (bytes) => socket.write(bytes));
}

// Cuts a stream into messages: next(bytes) gives [type, body] of each that is whole now; the startup message,
// which has no type, is "startup".
class Messages {
	constructor(startup) {
		this.startup = startup;
		this.rest = Buffer.alloc(0);
	}
	next(bytes) {
		const found = [];
		this.rest = Buffer.concat([this.rest, bytes]);
		for (;;) {
			const head = this.startup ? 0 : 1;
			if (this.rest.length < head + 4 || this.rest.length < head + this.rest.readInt32BE(head))
				return found;
			const n = head + this.rest.readInt32BE(head);
			found.push([this.startup ? "startup" : String.fromCharCode(this.rest[0]), this.rest.subarray(head + 4, n)]);
			this.startup = false;
			this.rest = this.rest.subarray(n);
		}
	}
}

// ReadyForQuery, CopyInResponse, and an authentication that is not over.
function yoursNow([type, body]) {
	return type === "Z" || type === "G" || (type === "R" && ![0, 12].includes(body.readInt32BE(0)));
}

class Connection {
	constructor(host, port) {
		const { port1, port2 } = new MessageChannel();
		this.arrived = new Int32Array(new SharedArrayBuffer(4));
		this.incoming = port1;
		this.worker = new Worker(__filename, {
			workerData: { host, port, arrived: this.arrived, out: port2 }, transferList: [port2],
		});
		this.client = new Messages(true);
		this.server = new Messages(false);
	}
	receive() {
		for (;;) {
			const seen = Atomics.load(this.arrived, 0);
			const m = receiveMessageOnPort(this.incoming);
			if (m)
				return m.message;
			if (Atomics.wait(this.arrived, 0, seen, ANSWER_MS) === "timed-out")
				throw new Error("no answer within 30 s");
		}
	}
	// What the package calls: it looks at search_path before, and cleans up behind it.
	async query() {
		return { rows: [{ search_path: "" }] };
	}
	async exec() {}
	execProtocolRawStream(bytes, { onRawData }) {
		const copy = Buffer.from(bytes);
		this.worker.postMessage(copy);
		const sent = this.client.next(copy);
		if (this.client.rest.length || !sent.length || sent.at(-1)[0] === "X")
			return;
		for (;;) {
			const got = this.receive();
			if (got === null)
				return;
			onRawData(got);
			if (this.server.next(Buffer.from(got)).some(yoursNow))
				return;
		}
	}
}

async function main([host, port, conninfo, ...options]) {
	const { pgDump } = require("@electric-sql/pglite-tools/pg_dump");
	const pg = new Connection(host, +port);
	try {
		process.stdout.write(await (await pgDump({ pg, args: [...options, "-d", conninfo] })).text());
	} catch (e) {
		console.error(e.message);
		process.exitCode = 1;
	} finally {
		await pg.worker.terminate();
	}
}

if (isMainThread)
	main(process.argv.slice(2));
else
	socketThread(workerData);
