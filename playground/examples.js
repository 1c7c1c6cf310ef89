// SPDX-License-Identifier: MIT
// What is asked of each policy in policies-examples/ to begin with. A schema that ends in .sql is a file.
"use strict";
const EXAMPLES = [
  {
    file: "orders.weir", schema: "", principal: 'agent "planner-7" in agents', on: "orders",
    sql: "select pan from payments.cards", rows: 'pan: "4111111111111111"',
  },
  {
    file: "payments.weir", schema: "", principal: 'agent "planner-7" in agents', on: "orders",
    sql: "select id, email from people where email = $1", rows: 'id: 7, email: "ada@example.org"',
  },
  {
    file: "agents.weir", schema: "", principal: 'agent "a-1" in fleet', on: "tickets",
    sql: "select title from desk.tickets", rows: 'title: "refund 4111111111111111, please"',
  },
  {
    file: "analyst.weir", schema: "", principal: 'human "ida" in analysts', on: "warehouse",
    sql: "select birth_date from reporting.customers", rows: 'birth_date: "1980-02-29"',
  },
  {
    file: "tenants.weir",
    schema: "create table shop.orders (\n  id int, tenant int, card text, consent boolean, country text);",
    principal: 'human "sam" in support', on: "shop",
    sql: "select id, tenant, card, consent, country from shop.orders",
    rows: 'id: 1, tenant: 7, card: "4111111111111111", consent: true, country: "DE"\n' +
      'id: 3, tenant: 8, card: "4111111111111111", consent: true, country: "DE"',
  },
  {
    file: "break-glass.weir", schema: "", principal: 'human "erik" in engineers', on: "production",
    sql: "select id, email from app.customers", rows: 'id: 7, email: "ada@example.org"',
  },
  {
    file: "migrations.weir", schema: "", principal: 'human "dev" in developers', on: "shop",
    sql: "select id from app.orders", rows: "",
  },
  {
    file: "on-call.weir", schema: "", principal: 'human "olga" in operators', on: "plant",
    sql: "select id from app.orders", rows: "",
  },
  {
    file: "pci.weir", schema: "pci.sql", principal: 'human "dee" in desk', on: "vault",
    sql: "select id, pan, until from cards.holders where pan = $1",
    rows: 'id: 7, pan: "4111111111111111", until: "2031-01-31"',
  },
  {
    file: "gdpr.weir", schema: "gdpr.sql", principal: 'human "sue" in support', on: "crm",
    sql: "select id, email, restricted from crm.people where id = 7",
    rows: 'id: 7, email: "ada@example.org", restricted: false\n' +
      'id: 8, email: "bo@example.org", restricted: true',
  },
  {
    file: "hipaa.weir", schema: "hipaa.sql", principal: 'human "nils" in ward-3b', on: "clinic",
    sql: "select id, ward, name, ssn from clinic.patients",
    rows: 'id: 7, ward: "3b", name: "Ada", ssn: "123-45-6789"\nid: 8, ward: "4a", name: "Bo", ssn: "123-45-6780"',
  },
  {
    file: "iso27001.weir", schema: "", principal: 'human "sven" in staff', on: "business",
    sql: "select id, body from app.notes where id = 7",
    rows: 'id: 7, body: "AKIA2E0A8F3B244C9986"',
  },
];
