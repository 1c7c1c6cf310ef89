/* SPDX-License-Identifier: MIT
 *
 * An evaluation in a child: whatever a policy does to the compiler, the server outlives it.
 */
#include "cli/playground.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_SECONDS = 3, MAX_MEMORY = 1 << 30 };

static void
limit(int what, rlim_t n)
{
	const struct rlimit l = {n, n};

	if (setrlimit(what, &l) != 0)
		_exit(1);
}

/* Descriptors but the answer's are closed, and no other can be opened. */
static void
shut_in(int answer)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || dup2(nothing, 0) != 0 ||
	    dup2(nothing, 1) != 1 || dup2(nothing, 2) != 2 || dup2(answer, 3) != 3 ||
	    close_range(4, ~0U, 0) != 0)
		_exit(1);
	limit(RLIMIT_NOFILE, 0);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_CPU, MAX_SECONDS);
#ifndef WEIR_ASAN /* whose shadow is larger than that */
	limit(RLIMIT_AS, MAX_MEMORY);
#endif
}

static void
child(const struct playground_texts *t, int answer)
{
	struct buf out = {.limit = PLAYGROUND_MAX_ANSWER};
	ssize_t n;

	shut_in(answer);
	playground_eval(t, &out);
	for (size_t at = 0; at < out.n && !out.failed; at += (size_t) n) {
		n = write(3, out.p + at, out.n - at);
		if (n <= 0)
			_exit(1);
	}
	_exit(out.failed);
}

/* Until the end of the answer; false: not in time, or whoever asked has gone. */
static bool
read_answer(int from, int client, struct buf *out)
{
	uint64_t end = clock_mono_ns() + MAX_SECONDS * NS_PER_S, now;

	while ((now = clock_mono_ns()) < end) {
		struct pollfd p[] = {{.fd = from, .events = POLLIN},
				     {.fd = client, .events = POLLRDHUP}};
		int ready = poll(p, 2, (int) ((end - now) / 1000000) + 1);
		uint8_t *to;
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0 || (ready && p[1].revents))
			return false;
		if (ready == 0)
			continue;
		to = buf_reserve(out, 65536);
		n = to ? read(from, to, 65536) : 0;
		if (n <= 0)
			return true;
		out->n += (size_t) n;
	}
	return false;
}

enum playground_error
playground_run(const struct playground_texts *t, int client, struct buf *out)
{
	int ends[2], status;
	bool in_time;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return PLAYGROUND_ERR_FAILED;
	pid = fork();
	if (pid == 0)
		child(t, ends[1]);
	close(ends[1]);
	in_time = pid > 0 && read_answer(ends[0], client, out);
	close(ends[0]);
	if (pid < 0)
		return PLAYGROUND_ERR_FAILED;
	if (!in_time)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return PLAYGROUND_ERR_FAILED;
	if (!in_time || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
		return PLAYGROUND_ERR_TOO_LONG;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || out->failed || !out->n)
		return PLAYGROUND_ERR_FAILED;
	return PLAYGROUND_OK;
}
