/* SPDX-License-Identifier: MIT
 *
 * Passwords from outside the configuration. Buffers they pass through are wiped; they are never in
 * an argument, an environment of ours, or a message.
 */
#include "compiler/config_internal.h"

#include "base/secret.h"
#include "compiler/file_mode.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECRET_MAX = 1024, COMMAND_SECONDS = 10 };

/* The first line of the bytes, as a string in the arena; wipes the bytes. */
static const char *
first_line(struct config_reader *r, char *p, size_t n, const char *what, struct span at)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t len = 0;
	const char *secret = NULL;

	while (len < n && p[len] != '\n' && p[len] != '\r')
		len++;
	if (len == 0)
		diag(r->q, CONFIG_SECRET, at,
		     arena_printf(r->arena, "%s gave an empty first line", what));
	else if (len >= 3 && memcmp(p, mark, 3) == 0)
		diag(r->q, CONFIG_SECRET, at,
		     arena_printf(r->arena, "%s begins with a byte order mark: save it as UTF-8 "
					    "without one", what));
	else if (len > SECRET_MAX || memchr(p, '\0', len))
		diag(r->q, CONFIG_SECRET, at,
		     arena_printf(r->arena, "the first line of %s is longer than %d bytes or has "
					    "a NUL in it", what, SECRET_MAX));
	else
		secret = arena_str(r->arena, slice_of(p, len));
	secret_wipe(p, n);
	return secret;
}

const char *
config_secret_file(struct config_reader *r, const char *path, struct span at)
{
	char line[SECRET_MAX + 2];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		n = read(fd, line, sizeof(line));
	if (n < 0) {
		diag(r->q, CONFIG_SECRET, at,
		     arena_printf(r->arena, "%s: %s", path, strerror(errno)));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	file_mode_look(r->q, path, FILE_SECRET, at);
	close(fd);
	return first_line(r, line, (size_t) n, path, at);
}

const char *
config_secret_env(struct config_reader *r, const char *name, struct span at)
{
	const char *value = getenv(name);

	if (!value || !*value) {
		diag(r->q, CONFIG_SECRET, at,
		     arena_printf(r->arena, "the environment has no %s", name));
		return NULL;
	}
	return arena_str(r->arena, slice_str(value));
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The gateway blocks and ignores signals that would end the command. */
static void
default_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* Starts /bin/sh -c command in a process group of its own, with its output in *from. */
static pid_t
start(const char *command, int *from)
{
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	/* On both sides: whichever comes first, the other may kill the group. */
	if (pid > 0)
		setpgid(pid, pid);
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		setpgid(0, 0);
		default_signals();
		if (null >= 0)
			dup2(null, STDIN_FILENO);
		dup2(pipes[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *) NULL);
		_exit(127);
	}
	close(pipes[1]);
	if (pid < 0)
		close(pipes[0]);
	else
		*from = pipes[0];
	return pid;
}

/* False: time is up (ETIMEDOUT), nobody waits for it (ECANCELED), or it cannot be waited for. */
static bool
wait_readable(int fd, int stop_fd, int64_t end)
{
	struct pollfd p[] = {{fd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
	int64_t left;
	int n;

	do {
		left = end - now_ms();
		n = left > 0 ? poll(p, COUNT_OF(p), (int) left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	else if (n > 0 && p[1].revents)
		errno = ECANCELED;
	return n > 0 && !p[1].revents;
}

/* Reads until the command closes its output or the buffer is full. */
static ssize_t
read_output(int fd, int stop_fd, char *buf, size_t size, int64_t end)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got;

		if (!wait_readable(fd, stop_fd, end))
			return -1;
		got = read(fd, buf + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t) got;
	}
	return (ssize_t) n;
}

/* Its end, which closing its output is not. Killed: nobody waits for it any more. */
static bool
ended(pid_t pid, int stop_fd, int64_t end)
{
	int fd = pidfd_open(pid, 0);
	bool ok = fd >= 0 && wait_readable(fd, stop_fd, end);
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

static const char *
failure(struct config_reader *r, int error, int status)
{
	if (error == ETIMEDOUT)
		return arena_printf(r->arena, "password-command did not end within %d s",
				    COMMAND_SECONDS);
	if (error)
		return strerror(error);
	if (!WIFEXITED(status))
		return "password-command was killed";
	return arena_printf(r->arena, "password-command ended with status %d", WEXITSTATUS(status));
}

const char *
config_secret_command(struct config_reader *r, const char *command, struct span at)
{
	char line[SECRET_MAX + 2];
	int64_t end = now_ms() + COMMAND_SECONDS * 1000;
	int fd = -1, status = 0, error = 0;
	pid_t pid = start(command, &fd);
	bool full;
	ssize_t n;

	if (pid < 0) {
		diag(r->q, CONFIG_SECRET, at, strerror(errno));
		return NULL;
	}
	n = read_output(fd, r->stop_fd, line, sizeof(line), end);
	full = n == (ssize_t) sizeof(line);
	/* Of one that prints more than is read here the first line counts, however it ends. */
	if (n < 0 || (!full && !ended(pid, r->stop_fd, end)))
		error = errno;
	close(fd);
	if (error || full)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (error || (!full && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))) {
		secret_wipe(line, sizeof(line));
		diag(r->q, CONFIG_SECRET, at, failure(r, error, status));
		return NULL;
	}
	return first_line(r, line, (size_t) n, "password-command", at);
}

bool
config_password_again(const struct config_target *t, int stop_fd, struct buf *secret,
		      struct buf *said)
{
	struct arena arena;
	struct sources sources;
	struct diag_queue q;
	struct config_reader r = {.q = &q, .arena = &arena, .stop_fd = stop_fd};
	const char *found;

	assert(t->password_from != PASSWORD_FIXED && t->password_at);
	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	found = t->password_from == PASSWORD_FILE
			? config_secret_file(&r, t->password_at, SPAN_NONE)
			: config_secret_command(&r, t->password_at, SPAN_NONE);
	if (found) {
		/* In one piece: growing would leave copies behind. */
		buf_reserve(secret, strlen(found) + 1);
		buf_puts(secret, found);
		secret_wipe((char *) (uintptr_t) found, strlen(found));
	}
	for (const struct diag *d = q.first; d && !found; d = d->next)
		buf_printf(said, "%s%s", said->n ? "; " : "", d->text);
	arena_fini(&arena);
	return found != NULL;
}
