// SPDX-License-Identifier: MIT
// Simple, named prepared and refused statements through the gateway with node's pg.
const { Client } = require('pg');

(async () => {
  const c = new Client({ host: '127.0.0.1', port: +process.argv[2], user: 'planner-7',
                         password: 'k-planner', database: 'orders' });
  await c.connect();
  for (let i = 0; i < 3; i++) {
    const r = await c.query({ name: 'note', text: 'select note from orders where id = $1', values: [7] });
    console.log(r.rows[0].note);
  }
  console.log((await c.query('select pan from payments.cards where id = $1', [1])).rows[0].pan);
  try {
    await c.query('delete from orders');
    console.log('not refused');
  } catch (e) {
    console.log(e.code, /unbounded-write/.exec(e.message)[0]);
  }
  console.log((await c.query('select 1 as one')).rows[0].one);
  await c.end();
})().catch((e) => { console.error(e); process.exit(1); });
