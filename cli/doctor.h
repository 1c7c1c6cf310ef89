/* SPDX-License-Identifier: MIT
 *
 * Between the files of `weir doctor`: what is looked for (doctor.def), how it is asked
 * (doctor_queries.c), what the policy says of the target's tables (doctor_policy.c), and how it is
 * told (doctor_print.c).
 */
#ifndef WEIR_CLI_DOCTOR_H
#define WEIR_CLI_DOCTOR_H

#include "base/arena.h"
#include "base/buf.h"
#include "gate/epoch.h"

enum finding_id {
#define FINDING(id, code, severity, place, title, why, sql) FINDING_##id,
#include "cli/doctor.def"
#undef FINDING
	FINDING_COUNT
};

enum finding_severity { SEVERITY_HIGH, SEVERITY_MEDIUM, SEVERITY_LOW, SEVERITY_COUNT };
enum finding_place { PLACE_INSIDE, PLACE_AFTER, PLACE_ADVICE };

struct finding_info {
	const char *code, *title, *why, *sql;
	enum finding_severity severity;
	enum finding_place place;
};
extern const struct finding_info finding_info[FINDING_COUNT];

/* One query each: the first column is what was seen, the others are the placeholders of the SQL
 * template. Runs with search_path pg_catalog and the parameters of DOCTOR_PARAMETERS. */
extern const char *const doctor_queries[FINDING_COUNT];
/* One row, one boolean: may pg_hba.conf be read? */
extern const char doctor_hba_query[];

struct finding {
	enum finding_id id;
	struct slice seen, sql;
};

/* Something that cannot be judged from here, and who can. */
struct unseen {
	const char *what, *why;
};

enum { UNSEEN_MAX = 3 };

struct doctor {
	struct arena arena;
	const struct config_target *target;
	struct slice server; /* its version */
	struct finding *findings;
	size_t n, cap;
	struct unseen unseen[UNSEEN_MAX];
	size_t n_unseen;
	bool incomplete; /* a part that should have been seen was not */
};

/* What the policy makes of the tables, as arrays in PostgreSQL's text format. */
struct doctor_policy {
	struct buf governed; /* OIDs of relations with masked columns */
	struct buf hidden_tables, hidden_columns; /* pairs: OID, number; nobody ever sees it */
	struct buf unmatched; /* names of columns that masks name and nothing has */
	/* masks depend on more than principal and target: nothing is hidden for certain */
	bool varies;
};
void doctor_policy_ask(struct doctor_policy *p, struct epoch *e, size_t target,
		       struct catalog_ref *catalog);

void doctor_unseen(struct doctor *d, const char *what, const char *why);
void doctor_print_text(const struct doctor *d, struct buf *out);
void doctor_print_json(const struct doctor *d, struct buf *out);
void doctor_print_sql(const struct doctor *d, struct buf *out);

#endif
