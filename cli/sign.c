/* SPDX-License-Identifier: MIT
 *
 * weir sign: an image that was built elsewhere, signed here, where the key is. What was reviewed is
 * what is signed: nothing in the image changes, so its digest stays. Keys are made here too.
 */
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/key.h"
#include "cli/policy.h"
#include "compiler/image_build.h"

#include <stdio.h>

static const char help[] =
	"usage: weir sign IMAGE --key KEYFILE [-o IMAGE]\n"
	"       weir sign --new-key KEYFILE\n"
	"       weir sign --public KEYFILE\n\n"
	"Signs an image that `weir build` has made without a key, or another one. Nothing in it changes:\n"
	"its digest stays what was reviewed, and so does its counter, which `weir build --counter` sets.\n\n"
	"  --key KEYFILE      sign with this key\n"
	"  -o IMAGE           where to write it; if absent, the image itself is replaced\n"
	"  --new-key KEYFILE  make a key (mode 0600) and print its public half, for `signed-by` of a\n"
	"                     configuration; a file that is there is never overwritten\n"
	"  --public KEYFILE   print the public half of a key\n\n"
	"Exit code: 0 done, 1 the image is refused, 2 usage or trouble with files.\n";

struct sign_args {
	const char *path, *key, *out, *new_key, *public;
};

static int
parse_args(int argc, char **argv, struct sign_args *a)
{
	for (int i = 1; i < argc; i++) {
		const char **value = strcmp(argv[i], "-o") == 0		  ? &a->out
				     : strcmp(argv[i], "--key") == 0	  ? &a->key
				     : strcmp(argv[i], "--new-key") == 0 ? &a->new_key
				     : strcmp(argv[i], "--public") == 0  ? &a->public
									  : NULL;

		if (value && i + 1 < argc)
			*value = argv[++i];
		else if (argv[i][0] == '-')
			return cli_option_error("sign", argv[i], "-o --key --new-key --public");
		else if (a->path)
			return cli_usage_error("sign", "one image at a time");
		else
			a->path = argv[i];
	}
	if (a->new_key || a->public)
		return a->path || a->key || a->out || (a->new_key && a->public)
			       ? cli_usage_error("sign", "%s stands alone",
						 a->new_key ? "--new-key" : "--public")
			       : EXIT_OK;
	if (!a->path)
		return cli_usage_error("sign", "which image?");
	return a->key ? EXIT_OK : cli_usage_error("sign", "with which key? (--key KEYFILE)");
}

static void
print_public(const uint8_t seed[ED25519_SEED_LEN])
{
	uint8_t pub[ED25519_PUB_LEN];
	struct buf b = {0};

	ed25519_public(pub, seed);
	hex_put(&b, slice_of(pub, sizeof(pub)));
	buf_putc(&b, '\n');
	cli_print(&b);
	buf_fini(&b);
}

static int
sign(const struct sign_args *a, const uint8_t seed[ED25519_SEED_LEN])
{
	const char *out = a->out ? a->out : a->path;
	struct cli_policy p;
	struct buf b = {0};
	int code = cli_image_open(&p, "sign", a->path);

	if (code == EXIT_OK) {
		image_sign(p.image->bytes, seed, &b);
		assert(!b.failed);
		code = cli_write_image("sign", out, buf_slice(&b));
	}
	if (code == EXIT_OK) {
		printf("%s: policy %.*s, counter %llu, signed by ", out,
		       SLICE_ARG(p.image->policy), (unsigned long long) p.image->counter);
		print_public(seed);
		if (!p.image->counter)
			fputs("its counter is 0: a gateway that ran a later one refuses it; "
			      "`weir build --counter N` sets it\n", stderr);
	}
	buf_fini(&b);
	cli_policy_close(&p);
	return code;
}

int
cmd_sign(int argc, char **argv)
{
	uint8_t seed[ED25519_SEED_LEN];
	struct sign_args a = {0};
	int code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	code = parse_args(argc, argv, &a);
	if (code != EXIT_OK)
		return code;
	if (a.new_key)
		code = key_make("sign", a.new_key, seed);
	else
		code = key_read("sign", a.public ? a.public : a.key, false, seed);
	if (code == EXIT_OK && a.path)
		code = sign(&a, seed);
	else if (code == EXIT_OK)
		print_public(seed);
	secret_wipe(seed, sizeof(seed));
	return code;
}
