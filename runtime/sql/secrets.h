/* SPDX-License-Identifier: MIT
 *
 * Passwords in statements: `ALTER ROLE r PASSWORD 'x'`, OPTIONS (password 'x'), and "password=x" in
 * literals (connection strings, bodies of functions). Each value becomes ***.
 */
#ifndef WEIR_SQL_SECRETS_H
#define WEIR_SQL_SECRETS_H

#include "base/arena.h"
#include "sql/shape.h"

/* The text itself where there is none; else a copy in the arena. */
struct slice sql_without_secrets(struct slice text, struct arena *a);

#endif
