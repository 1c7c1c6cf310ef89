-- SPDX-License-Identifier: MIT
-- A small shop: people, what they ordered, and the cards they pay with. All of it is made up; the
-- card numbers are the payment industry's public test numbers.
create table people (
  id     int primary key,
  name   text not null,
  email  text not null,
  phone  text
);

create table orders (
  id         int primary key,
  person_id  int not null references people,
  item       text not null,
  amount     numeric(10, 2) not null,
  status     text not null default 'open'
);

create schema payments;

create table payments.cards (
  id         int primary key,
  person_id  int not null references people,
  pan        text not null,
  expires    date not null
);

insert into people values
  (1, 'Ada Lindqvist',  'ada.lindqvist@example.com',  '+46 70 555 0101'),
  (2, 'Bram de Vries',  'bram@example.org',           '+31 20 555 0102'),
  (3, 'Chidi Okafor',   'chidi.okafor@example.net',   null),
  (4, 'Dolores Prieto', 'dolores@example.com',        '+34 91 555 0104');

insert into orders values
  (100, 1, 'standing desk',  489.00, 'open'),
  (101, 2, 'office chair',   259.90, 'paid'),
  (102, 1, 'desk lamp',       39.50, 'open'),
  (103, 3, 'monitor arm',    119.00, 'shipped'),
  (104, 4, 'foot rest',       45.00, 'open');

insert into payments.cards values
  (1, 1, '4111111111111111', '2028-04-30'),
  (2, 2, '5555555555554444', '2027-11-30'),
  (3, 3, '378282246310005',  '2029-01-31'),
  (4, 4, '6011111111111117', '2028-09-30');
