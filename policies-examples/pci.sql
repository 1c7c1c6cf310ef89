-- SPDX-License-Identifier: MIT
-- What the database of pci.weir has (pg_dump --schema-only).
create schema cards;
create table cards.holders (
  id      bigint primary key,
  name    text not null,
  pan     text not null,
  until   date not null,
  cvv     char(4)
);
create table cards.disputes (
  id     bigint primary key,
  holder bigint not null references cards.holders,
  amount numeric(12, 2) not null,
  note   text
);
