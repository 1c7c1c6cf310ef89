/* SPDX-License-Identifier: MIT
 *
 * A policy's test with its catalog: decided by the gateway's own gate, to which the catalog is that
 * of the target. Names, `*`, views and types mean there what they mean on the server.
 */
#ifndef WEIR_CLI_POLICY_CATALOG_H
#define WEIR_CLI_POLICY_CATALOG_H

#include "cli/policy_run.h"
#include "gate/epoch.h"

/* Decides again, after run_decide. False: the test sets facts that the gate works out by itself,
 * and what run_decide came to holds. */
bool run_with_catalog(struct run *r, struct catalog_ref *catalog);

#endif
