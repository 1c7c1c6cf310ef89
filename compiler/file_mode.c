/* SPDX-License-Identifier: MIT */
#include "compiler/file_mode.h"

#include <unistd.h>

static const char *
others_may(const struct stat *st, mode_t group, mode_t all, const char *verb, struct arena *a)
{
	if (st->st_mode & all)
		return arena_printf(a, "can be %s by every user of this machine", verb);
	if (st->st_mode & group)
		return arena_printf(a, "can be %s by group %u", verb, (unsigned) st->st_gid);
	return NULL;
}

static bool
is_stranger(const struct stat *st, uid_t us)
{
	return st->st_uid != us && st->st_uid != 0;
}

const char *
file_mode_problem(const struct stat *st, uid_t us, enum file_use use, struct arena *a)
{
	mode_t group = st->st_uid == 0 ? 0 : S_IRGRP;
	const char *read = use == FILE_SECRET ? others_may(st, group, S_IROTH, "read", a) : NULL;

	if (is_stranger(st, us))
		return arena_printf(a, "belongs to user %u", (unsigned) st->st_uid);
	return read ? read : others_may(st, S_IWGRP, S_IWOTH, "changed", a);
}

void
file_mode_look(struct diag_queue *q, const char *path, enum file_use use, struct span at)
{
	struct stat file, link;
	const char *what;
	struct diag *d;

	if (stat(path, &file) < 0 || lstat(path, &link) < 0 || !S_ISREG(file.st_mode))
		return;
	what = file_mode_problem(&file, geteuid(), use, q->arena);
	if (!what && S_ISLNK(link.st_mode) && is_stranger(&link, geteuid()))
		what = arena_printf(q->arena, "is a symbolic link of user %u",
				    (unsigned) link.st_uid);
	if (!what)
		return;
	d = use == FILE_SECRET ? diag(q, FILE_SECRET_OPEN, at, path, what)
			       : diag(q, FILE_RULES_OPEN, at, path, what);
	if (is_stranger(&file, geteuid()) || is_stranger(&link, geteuid()))
		diag_note(q, d, SPAN_NONE, "give it to root, or to the user of the gateway: chown");
	else
		diag_note(q, d, SPAN_NONE, "chmod %s %s", use == FILE_SECRET ? "600" : "go-w", path);
}
