/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CLI_AUDIT_POLICY_H
#define WEIR_CLI_AUDIT_POLICY_H

/* `weir audit policy`; argv[0] is "policy". */
int cmd_audit_policy(int argc, char **argv);

#endif
