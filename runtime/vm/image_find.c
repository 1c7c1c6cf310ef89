/* SPDX-License-Identifier: MIT
 *
 * Looking things up in an image by name, and the digest of its sources.
 */
#include "base/cbor.h"
#include "vm/image_format.h"

/* SHA-256 over name and text of every file, each with its length before it. */
void
image_source_digest(uint8_t out[SHA256_LEN], const struct image_file *files, size_t n)
{
	struct buf b = {0};

	for (size_t i = 0; i < n; i++) {
		cbor_bytes(&b, files[i].name);
		cbor_bytes(&b, files[i].text);
	}
	assert(!b.failed);
	sha256(out, buf_slice(&b));
	buf_fini(&b);
}

int
image_group_find(const struct image *img, struct slice name)
{
	for (size_t i = 0; i < img->n_groups; i++)
		if (slice_eq(img->groups[i].name, name))
			return (int) i;
	return -1;
}

int
image_rule_find(const struct image *img, struct slice name)
{
	for (size_t i = 0; i < img->n_rules; i++)
		if (slice_eq(img->rules[i].name, name))
			return (int) i;
	return -1;
}
