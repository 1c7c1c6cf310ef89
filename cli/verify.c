/* SPDX-License-Identifier: MIT
 *
 * weir verify: what a gateway would say of an image, and who signed it.
 */
#include "cli/cli.h"
#include "cli/key.h"
#include "cli/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
	"usage: weir verify IMAGE [--signed-by KEY] [--min-counter N] [--json]\n\n"
	"Loads an image as a gateway does (structure, code, cost, signature), and says which policy it\n"
	"is, of what it was made and who signed it. Without --signed-by any key will do.\n\n"
	"  --signed-by KEY    the public key that must have signed it, 64 hex digits as `weir build` and\n"
	"                     `weir sign` print them; may be repeated: one of them, up to 16\n"
	"  --min-counter N    refuse an image with a lower counter\n"
	"  --json             one JSON object\n\n"
	"Exit code: 0 signed and good, 1 refused or not signed, 2 usage or trouble with the file.\n";

enum { MAX_KEYS = 16 };

struct verify_args {
	const char *path;
	uint8_t keys[MAX_KEYS][ED25519_PUB_LEN];
	size_t n_keys;
	uint64_t min_counter;
	bool json;
};

static int
parse_key(const char *hex, struct verify_args *a)
{
	if (a->n_keys == MAX_KEYS)
		return cli_usage_error("verify", "at most %d keys", MAX_KEYS);
	if (!key_public_of(slice_str(hex), a->keys[a->n_keys]))
		return cli_usage_error("verify", "--signed-by takes the 64 hex digits of a public "
				       "key; `weir sign --public KEYFILE` prints them");
	a->n_keys++;
	return EXIT_OK;
}

static int
parse_counter(const char *s, struct verify_args *a)
{
	char *end;

	errno = 0;
	a->min_counter = strtoull(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && !errno
		       ? EXIT_OK
		       : cli_usage_error("verify", "--min-counter is a number");
}

static int
parse_args(int argc, char **argv, struct verify_args *a)
{
	int code = EXIT_OK;

	for (int i = 1; i < argc && code == EXIT_OK; i++) {
		if (strcmp(argv[i], "--signed-by") == 0 && i + 1 < argc)
			code = parse_key(argv[++i], a);
		else if (strcmp(argv[i], "--min-counter") == 0 && i + 1 < argc)
			code = parse_counter(argv[++i], a);
		else if (strcmp(argv[i], "--json") == 0)
			a->json = true;
		else if (argv[i][0] == '-' && argv[i][1])
			code = cli_option_error("verify", argv[i], "--signed-by --min-counter");
		else if (a->path)
			code = cli_usage_error("verify", "one image at a time");
		else
			a->path = argv[i];
	}
	if (code == EXIT_OK && !a->path)
		code = cli_usage_error("verify", "which image?");
	return code;
}

static void
put_hex(struct buf *b, const uint8_t *p, size_t n)
{
	hex_put(b, slice_of(p, n));
}

static void
put_text(struct buf *b, const char *path, const struct image *img)
{
	buf_printf(b, "%s: policy %.*s, %zu rules", path, SLICE_ARG(img->policy), img->n_rules);
	if (img->n_tests)
		buf_printf(b, ", %u tests and proofs passed when it was built", img->n_tests);
	else
		buf_puts(b, ", its tests were not run when it was built");
	buf_puts(b, "\ndigest     ");
	put_hex(b, img->digest, SHA256_LEN);
	buf_puts(b, "\nsource     ");
	put_hex(b, img->source_digest, SHA256_LEN);
	buf_printf(b, ", %zu file%s: ", img->n_files, img->n_files == 1 ? "" : "s");
	for (size_t i = 0; i < img->n_files; i++) {
		buf_puts(b, i ? ", " : "");
		cli_put_plain(b, img->files[i].name);
	}
	buf_printf(b, "\ncompiler   %.*s\ncounter    %llu\n", SLICE_ARG(img->compiler),
		   (unsigned long long) img->counter);
	if (!img->is_signed) {
		buf_puts(b, "not signed: `weir sign` does it\n");
		return;
	}
	buf_puts(b, "signed by  ");
	put_hex(b, img->public_key, ED25519_PUB_LEN);
	buf_putc(b, '\n');
}

static void
put_json(struct buf *b, const struct image *img)
{
	buf_puts(b, "{\"policy\":");
	buf_json_string(b, img->policy);
	buf_printf(b, ",\"rules\":%zu,\"tests\":%u,\"digest\":\"", img->n_rules, img->n_tests);
	put_hex(b, img->digest, SHA256_LEN);
	buf_puts(b, "\",\"source_digest\":\"");
	put_hex(b, img->source_digest, SHA256_LEN);
	buf_puts(b, "\",\"files\":[");
	for (size_t i = 0; i < img->n_files; i++) {
		buf_puts(b, i ? "," : "");
		buf_json_string(b, img->files[i].name);
	}
	buf_puts(b, "],\"compiler\":");
	buf_json_string(b, img->compiler);
	buf_printf(b, ",\"counter\":%llu,\"signed_by\":", (unsigned long long) img->counter);
	if (img->is_signed) {
		buf_putc(b, '"');
		put_hex(b, img->public_key, ED25519_PUB_LEN);
		buf_puts(b, "\"}\n");
	} else {
		buf_puts(b, "null}\n");
	}
}

/* What has another signer is told with who that is. */
static int
verify(struct cli_policy *p, const struct verify_args *a)
{
	const struct image_trust trust = {.allow_unsigned = true,
					  .keys = (const uint8_t(*)[ED25519_PUB_LEN]) a->keys,
					  .n_keys = a->n_keys,
					  .min_counter = a->min_counter};
	struct image_error err;
	struct buf b = {0};
	int code = cli_image_open(p, "verify", a->path);

	if (code != EXIT_OK)
		return code;
	if (a->json)
		put_json(&b, p->image);
	else
		put_text(&b, a->path, p->image);
	cli_print(&b);
	buf_fini(&b);
	if (!p->image->is_signed)
		return EXIT_NEGATIVE;
	if (image_load(&p->arena, p->image->bytes, &trust, &err))
		return EXIT_OK;
	fprintf(stderr, "weir verify: '%s' is refused: %s\n", a->path, err.text);
	return EXIT_NEGATIVE;
}

int
cmd_verify_image(int argc, char **argv)
{
	struct verify_args a = {0};
	struct cli_policy p;
	int code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	code = parse_args(argc, argv, &a);
	if (code != EXIT_OK)
		return code;
	code = verify(&p, &a);
	cli_policy_close(&p);
	return code;
}
