/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_AUDIT_HOLD_H
#define WEIR_CLI_AUDIT_HOLD_H

/* `weir audit hold`; argv[0] is "hold". */
int cmd_audit_hold(int argc, char **argv);

#endif
