/* SPDX-License-Identifier: MIT
 *
 * The operator's log: few lines, on standard error, `time level message key=value ...`.
 * It never carries statement text, parameters, rows or secrets: those are the audit log's.
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/assert.h"
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below this level are dropped. Set once at start. */
extern enum log_level log_min_level;

/* A line of any length, whatever log_min_level is. False: it was not written. */
bool log_whole(struct slice text) MUST_CHECK;
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What somebody else wrote, as a value of a line: in quotes, which it cannot end. */
struct log_value {
	char text[256];
};
struct log_value log_quote(const char *text);

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
