-- SPDX-License-Identifier: MIT
create table cards (id bigint, pan text);
