/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_AUDIT_PRUNE_H
#define WEIR_CLI_AUDIT_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

/* `weir audit prune`; argv[0] is "prune". */
int cmd_audit_prune(int argc, char **argv);
/* In audit.c: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, UTC. */
bool audit_parse_time(const char *text, uint64_t *ns);

#endif
