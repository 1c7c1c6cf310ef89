// SPDX-License-Identifier: MIT
// Connects with node's pg and prints what it hears on the way: PORT APPLICATION
const { Client } = require('pg');

const c = new Client({ host: '127.0.0.1', port: +process.argv[2], user: 'planner-7',
                       password: 'k-planner', database: 'orders',
                       application_name: process.argv[3] });
c.on('notice', (n) => console.log('notice', n.message));
c.connect().then(async () => {
  console.log((await c.query('select 40 + 2 as n')).rows[0].n);
  await c.end();
}).catch((e) => { console.log(e.severity, e.code, e.message); process.exit(1); });
