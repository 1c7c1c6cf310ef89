/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_WIRE_MESSAGES_H
#define WEIR_TESTS_WIRE_MESSAGES_H

#include "base/buf.h"

/* Appends the message that the n words describe; w has room for five more. False: no such
 * message. */
bool wire_message(struct buf *b, struct slice *w, size_t n) MUST_CHECK;

#endif
