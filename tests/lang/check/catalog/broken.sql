-- SPDX-License-Identifier: MIT
create table t (a int);
create tabel u (b int);
