/* SPDX-License-Identifier: MIT
 *
 * Between the files of `weir who-can` and `what-can`: what is asked (who_can.c) and what is the
 * answer (who_can_answer.c).
 */
#ifndef WEIR_CLI_WHO_CAN_H
#define WEIR_CLI_WHO_CAN_H

#include "cli/policy.h"
#include "compiler/diagram.h"

struct question {
	struct cli_policy policy;
	const struct image *img;
	struct space *s;
	struct diagram *g;
	enum vm_entry entry; /* ENTRY_CONNECT: about sessions, else about commands */
	uint32_t scope; /* what is asked for, as far as it can be */
	uint32_t shut;  /* of commands: no session can be, whenever it is opened */
	bool json, any;
	bool all; /* commands and sessions: the answer says which */
	bool excepted; /* something was taken away from the answer at hand */
	struct buf out, shut_out;
};

/* Where the fact has that value. */
uint32_t asked_value(const struct question *q, enum fact f, uint32_t value);
/* Prints it. nobody: what is said when the answer is empty. */
int asked_answer(struct question *q, const char *command, const char *nobody);

#endif
