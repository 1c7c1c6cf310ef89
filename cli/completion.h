/* SPDX-License-Identifier: MIT
 *
 * What can be written after `weir`, for shells.
 */
#ifndef WEIR_CLI_COMPLETION_H
#define WEIR_CLI_COMPLETION_H

#include "base/buf.h"

enum { COMPLETION_MAX_OPTIONS = 40 };

struct completion_option {
	const char *name;   /* "--config" or "-c" */
	const char *values; /* what its argument can be, one space between; or "" */
	const char *about;  /* or "" */
	bool takes;	    /* an argument */
	bool file;	    /* that is a file or folder */
};

struct completion_command {
	const char *name, *sentence;
	const char *words; /* what comes first, such as list and show; or "" */
	struct completion_option options[COMPLETION_MAX_OPTIONS];
	size_t n_options;
};

void completion_bash(struct buf *out, const struct completion_command *v, size_t n);
void completion_zsh(struct buf *out, const struct completion_command *v, size_t n);
void completion_fish(struct buf *out, const struct completion_command *v, size_t n);

#endif
