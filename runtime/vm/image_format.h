/* SPDX-License-Identifier: MIT
 *
 * What the writer and the reader of images must agree on; image.c describes the whole.
 */
#ifndef WEIR_VM_IMAGE_FORMAT_H
#define WEIR_VM_IMAGE_FORMAT_H

#include "vm/image.h"

#define IMAGE_MAGIC "weir-image"
/* Before the body in what is signed, so that the signature can mean nothing else. */
#define IMAGE_SIGN_PREFIX "weir-image-1\n"

enum {
	IMAGE_MAX_FILES = 256,
	IMAGE_MAX_NAMES = 65535, /* in one list */
	IMAGE_MAX_NEEDS = 16,
	IMAGE_MAX_COLUMNS = 1600, /* of a table */
	IMAGE_MAX_APPROVERS = 100,
	IMAGE_MAX_SECONDS = 366 * 24 * 3600,
	IMAGE_MAX_AMOUNTS = 32,
	IMAGE_MIN_OVER = 2, /* "aggregates over 1" would be no mask */
	IMAGE_MAX_OVER = 1000000000,
};

/* Of one amount: sums of many stay far from where 64 bits end. */
#define IMAGE_MAX_AMOUNT (UINT64_C(1) << 50)

enum body_key {
	BODY_FORMAT,
	BODY_COMPILER,
	BODY_POLICY,
	BODY_TITLE,
	BODY_DEFAULT_ALLOW,
	BODY_COUNTER,
	BODY_TESTS,
	BODY_FILES,
	BODY_SOURCE_DIGEST,
	BODY_GROUPS,
	BODY_TARGETS,
	BODY_DATA,
	BODY_TRUSTED,
	BODY_OPS,
	BODY_FACTS,
	BODY_CONSTANTS,
	BODY_RULES,
	BODY_ENTRIES,
	BODY_CATALOG,
	BODY_KEYS
};

void image_source_digest(uint8_t out[SHA256_LEN], const struct image_file *files, size_t n);

#endif
