-- SPDX-License-Identifier: MIT
-- What the database of gdpr.weir has (pg_dump --schema-only).
create schema crm;
create table crm.people (
  id         bigint primary key,
  name       text not null,
  email      text not null,
  phone      text,
  birth_date date,
  income     integer,
  religion   text,
  health     text,
  region     text,
  restricted boolean not null default false
);
create table crm.orders (
  id     bigint primary key,
  person bigint not null references crm.people,
  total  numeric(12, 2) not null
);
