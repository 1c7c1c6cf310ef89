// SPDX-License-Identifier: MIT
// What postgres (postgres.js) does, printed: postgres_client.js HOST PORT USER PASSWORD DBNAME
const postgres = require('postgres');
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');

const [host, port, username, password, database] = process.argv.slice(2);
const shared = process.env.CLIENTS_SHARED; // `pool transaction`: nothing that is the connection's own
const notices = [];
const sql = postgres({ host, port: +port, username, password, database, max: 1,
                       onnotice: (n) => notices.push(n.message) });
const print = (...x) => console.log(...x.map((v) => JSON.stringify(v)));
const fails = async (p) => {
  try { await p; print('not refused'); } catch (e) { print(e.code, e.message, e.position || ''); }
};

(async () => {
  print(await sql`select 1 as a, ${'x'} as b, null as c, ${[1, 2]}::int[] as d, ${{ k: 1 }}::jsonb as e`);
  await sql`create ${shared ? sql`` : sql`temp`} table t (a int primary key, b text, c bytea)`;
  for (let i = 0; i < 8; i++)
    print(await sql`insert into t values (${i}, ${'row ' + i}, ${Buffer.from([0, i])}) returning *`);
  const all = await Promise.all([...Array(60).keys()].map((i) => sql`select ${i}::int * 2 as n`));
  print(all.map((r) => r[0].n));
  await fails(sql`select 1 / ${0}::int`);
  await fails(sql.unsafe('selec 1'));
  await fails(sql`insert into t values (1, 'again', null)`);
  print(await sql.unsafe('select 1 as x; select 2 as y'));
  await sql.begin(async (tx) => {
    await tx`insert into t values (100, 'in', null)`;
    await tx.savepoint((sp) => sp`insert into t values (100, 'again', null)`).catch((e) => print(e.code));
    print(await tx`select count(*) from t`);
  });
  await pipeline(Readable.from([...Array(1000).keys()].map((i) => `${i + 1000}\tcopied ${i}\t\\N\n`)),
                 await sql`copy t from stdin`.writable());
  print(await sql`select count(*), max(b) from t`);
  for await (const rows of sql`select a from t order by a`.cursor(300)) print(rows.length, rows[0].a);
  print(await sql`select ${sql.array(['a', 'b'])} as arr, ${new Date(0)}::timestamptz as d, ${10n}::int8 as big`);
  print(await sql`select a from t order by a limit 3`.describe().then((d) => d.columns.map((x) => [x.name, x.type])));
  await sql`do $$ begin raise notice 'hello'; end $$`;
  print(notices);
  if (!shared)
    print(await new Promise((done) => sql.listen('news', done, () => sql.notify('news', 'payload'))));
  const slow = sql`select pg_sleep(20)`.execute();
  setTimeout(() => slow.cancel(), 300);
  await fails(slow);
  print(await sql`select 'after' as a`);
  await sql.end({ timeout: 5 });
  // It does not give the connection back after a COPY to it: this goes last, on another.
  const other = postgres({ host, port: +port, username, password, database, max: 1 });
  let n = 0;
  for await (const chunk of await other`copy (select * from orders) to stdout`.readable()) n += chunk.length;
  print('copied', n);
  process.exit(0);
})().catch((e) => { console.log(e.stack); process.exit(1); });
