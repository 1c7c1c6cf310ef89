// SPDX-License-Identifier: MIT
// What node's pg does, printed: pg_client.js HOST PORT USER PASSWORD DBNAME
const { Client, Pool } = require('pg');

const [host, port, user, password, database] = process.argv.slice(2);
const print = (...x) => console.log(...x.map((v) => JSON.stringify(v)));
const at = { host, port: +port, user, password, database };

(async () => {
  const c = new Client(at);
  c.on('notice', (n) => print('notice', n.message));
  await c.connect();
  const rows = async (...q) => print((await c.query(...q)).rows);
  const fails = (...q) => c.query(...q).then(() => print('not refused'), (e) => print(e.code, e.message));
  await rows("select 1 as a, $1::text as b, null as c, $2::int[] as d, now() > 'epoch' as e", ['x', [1, 2]]);
  for (let i = 0; i < 4; i++)
    await rows({ name: 'by name', text: 'select note from orders where id = $1', values: [i + 1] });
  await rows("set search_path = pg_catalog; set timezone = 'Asia/Tokyo'; set statement_timeout = '9s'");
  await rows("select current_setting('search_path') p, current_setting('timezone') z,"
             + " current_setting('statement_timeout') t");
  await rows({ name: 'by name', text: 'select note from orders where id = $1', values: [5] })
    .catch((e) => print(e.code, e.message));
  await rows('reset all');
  await rows({ name: 'by name', text: 'select note from orders where id = $1', values: [6] });
  await rows('begin');
  await fails('insert into orders values ($1)', [1]);
  await fails('select 1');
  await rows('rollback');
  await fails('selec');
  await fails('select 1 / $1::int', [0]);
  await rows("do $$ begin raise notice 'hello'; end $$");
  await c.end();
  const pool = new Pool({ ...at, max: 5 });
  const all = await Promise.all([...Array(60).keys()].map((i) => pool.query('select $1::int * 2 as n', [i])));
  print(all.map((r) => r.rows[0].n));
  await pool.end();
})().catch((e) => { console.log(e.stack); process.exit(1); });
