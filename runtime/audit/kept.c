/* SPDX-License-Identifier: MIT */
#include "audit/kept.h"

#include "audit/folder.h"
#include "base/cbor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char ending[] = ".weirb";

/* --- a file --- */

static bool
signature_good(const struct kept *k, struct slice sig)
{
	struct buf message = {0};
	bool good;

	if (k->signer.n != ED25519_PUB_LEN || sig.n != ED25519_SIG_LEN)
		return false;
	buf_puts(&message, "weir-image-1\n");
	buf_put_slice(&message, k->body);
	good = !message.failed && ed25519_verify(sig.p, k->signer.p, buf_slice(&message));
	buf_fini(&message);
	return good;
}

const char *
kept_read(struct kept *k, struct slice file, const uint8_t digest[SHA256_LEN])
{
	uint8_t is[SHA256_LEN];
	struct slice sig = {0};
	struct cbor_reader r;
	size_t n;

	*k = (struct kept){0};
	cbor_reader_init(&r, file);
	n = cbor_get_map(&r, 4);
	if ((n != 2 && n != 4) || cbor_get_uint(&r) != 0 ||
	    !slice_is(cbor_get_text(&r), "weir-image") || cbor_get_uint(&r) != 1)
		return "not a policy image";
	k->body = cbor_get_bytes(&r);
	if (n == 4 && cbor_get_uint(&r) == 2)
		k->signer = cbor_get_bytes(&r);
	if (n == 4 && cbor_get_uint(&r) == 3)
		sig = cbor_get_bytes(&r);
	if (!cbor_done(&r))
		return "not a policy image";
	sha256(is, k->body);
	if (memcmp(is, digest, SHA256_LEN) != 0)
		return "not the policy that its name says";
	return n == 2 || signature_good(k, sig) ? NULL : "its signature does not match";
}

/* --- names --- */

void
kept_name(char out[KEPT_NAME_LEN + 1], const uint8_t digest[SHA256_LEN])
{
	for (size_t i = 0; i < SHA256_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	memcpy(out + (size_t) 2 * SHA256_LEN, ending, sizeof(ending));
}

bool
kept_name_parse(const char *name, uint8_t digest[SHA256_LEN])
{
	char again[KEPT_NAME_LEN + 1];
	struct buf bytes = {0};
	bool good = strlen(name) == KEPT_NAME_LEN &&
		    hex_get(&bytes, slice_of(name, (size_t) 2 * SHA256_LEN)) &&
		    bytes.n == SHA256_LEN;

	if (good) {
		memcpy(digest, bytes.p, SHA256_LEN);
		kept_name(again, digest);
		good = strcmp(again, name) == 0;
	}
	buf_fini(&bytes);
	return good;
}

/* --- the folder --- */

static int
open_folder(int dir)
{
	int fd = openat(dir, KEPT_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
kept_file(int dir, const uint8_t digest[SHA256_LEN], struct buf *out)
{
	char name[sizeof(KEPT_FOLDER) + KEPT_NAME_LEN + 1] = KEPT_FOLDER "/";

	kept_name(name + sizeof(KEPT_FOLDER), digest);
	return folder_read(out, dir, name, KEPT_BYTES_MAX);
}

static void
note_signer(struct kept_signer *by, const struct kept *k)
{
	by->any = k->signer.n > 0;
	if (by->any)
		memcpy(by->key, k->signer.p, ED25519_PUB_LEN);
}

/* One that is there need not be written. `by` is whose signature there is then. */
static bool
stays(int dir, const uint8_t digest[SHA256_LEN], struct slice file, struct kept_signer *by)
{
	struct buf there = {0};
	struct kept was = {0}, is = {0};
	bool good = kept_read(&is, file, digest) == NULL &&
		    kept_file(dir, digest, &there) == 0 &&
		    kept_read(&was, buf_slice(&there), digest) == NULL &&
		    (was.signer.n || !is.signer.n);

	note_signer(by, good ? &was : &is);
	buf_fini(&there);
	return good;
}

int
kept_put(int dir, const uint8_t digest[SHA256_LEN], struct slice file, struct kept_signer *by)
{
	char name[KEPT_NAME_LEN + 1];
	int rc = folder_mkdir(dir, KEPT_FOLDER), fd;

	/* The folder may be new; and what is there may be of a start that ended before the last
	 * step. */
	if (rc == 0 && fsync(dir) != 0)
		rc = -errno;
	if (rc != 0)
		return rc;
	fd = open_folder(dir);
	if (fd < 0)
		return fd;
	kept_name(name, digest);
	if (!stays(dir, digest, file, by))
		rc = folder_replace(fd, name, 0600, file);
	else if (fsync(fd) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int
by_digest(const void *a, const void *b)
{
	return memcmp(a, b, SHA256_LEN);
}

int
kept_list(int dir, uint8_t (**v)[SHA256_LEN], size_t *n, char strange[256])
{
	int fd = open_folder(dir);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	*v = NULL;
	*n = 0;
	*strange = 0;
	if (!d)
		return fd == -ENOENT ? 0 : fd < 0 ? fd : -errno;
	for (struct dirent *e; (e = readdir(d));) {
		size_t len = strlen(e->d_name);

		if ((*n & (*n - 1)) == 0) {
			*v = realloc(*v, (*n ? *n * 2 : 1) * sizeof(**v));
			assert(*v != NULL);
		}
		if (kept_name_parse(e->d_name, (*v)[*n]))
			(*n)++;
		else if (e->d_name[0] != '.' && !*strange &&
			 (len < 4 || strcmp(e->d_name + len - 4, ".tmp") != 0))
			snprintf(strange, 256, "%s", e->d_name);
	}
	closedir(d);
	if (*n)
		qsort(*v, *n, sizeof(**v), by_digest);
	return 0;
}
