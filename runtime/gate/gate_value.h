/* SPDX-License-Identifier: MIT
 *
 * A value of a row as rules read it: by its type and format, whatever the session's settings.
 * Private to the gate.
 */
#ifndef WEIR_GATE_GATE_VALUE_H
#define WEIR_GATE_GATE_VALUE_H

#include "vm/exec.h"

enum { VALUE_TEXT = 40 }; /* the longest that is made here is a uuid */

enum reading { READ_NOT, READ_TEXT, READ_PADDED, READ_INT_TEXT, READ_NUMERIC_TEXT, READ_INT_BINARY,
	       READ_BOOL_BINARY, READ_UUID_BINARY };

/* How values of a type are read; format 1: binary. */
enum reading reading_of(uint32_t type, uint16_t format);
/* A value that is not NULL; *v may point into text. */
void read_value(struct row_value *v, enum reading how, struct slice in, char text[VALUE_TEXT]);

#endif
