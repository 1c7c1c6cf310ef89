-- SPDX-License-Identifier: MIT
create schema payments;
create type payments.state as enum ('new', 'paid');
create table payments.cards (id bigint, pan text, state payments.state, country char(2), code int);
create table people (id int, email text, phone text);
create view payments.numbers as select id, pan from payments.cards;
create view everything as select * from generate_series(1, 10);
