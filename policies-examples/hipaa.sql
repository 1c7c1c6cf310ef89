-- SPDX-License-Identifier: MIT
-- What the database of hipaa.weir has (pg_dump --schema-only).
create schema clinic;
create table clinic.patients (
  id         bigint primary key,
  ward       text,
  name       text not null,
  ssn        text,
  phone      text,
  zip        text,
  birth_date date
);
create table clinic.encounters (
  id        bigint primary key,
  ward      text,
  patient   bigint not null references clinic.patients,
  diagnosis text,
  note      text
);
create table clinic.psychotherapy (
  id      bigint primary key,
  patient bigint not null references clinic.patients,
  note    text
);
