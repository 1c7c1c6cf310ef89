/* SPDX-License-Identifier: MIT
 *
 * Unaligned big- and little-endian loads and stores.
 */
#ifndef WEIR_BASE_ENDIAN_H
#define WEIR_BASE_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define WEIR_ENDIAN(bits)                                                                         \
	static inline uint##bits##_t get_be##bits(const void *p)                                  \
	{                                                                                         \
		uint##bits##_t v;                                                                 \
		memcpy(&v, p, sizeof(v));                                                         \
		return be##bits##toh(v);                                                          \
	}                                                                                         \
	static inline uint##bits##_t get_le##bits(const void *p)                                  \
	{                                                                                         \
		uint##bits##_t v;                                                                 \
		memcpy(&v, p, sizeof(v));                                                         \
		return le##bits##toh(v);                                                          \
	}                                                                                         \
	static inline void put_be##bits(void *p, uint##bits##_t v)                                \
	{                                                                                         \
		v = htobe##bits(v);                                                               \
		memcpy(p, &v, sizeof(v));                                                         \
	}                                                                                         \
	static inline void put_le##bits(void *p, uint##bits##_t v)                                \
	{                                                                                         \
		v = htole##bits(v);                                                               \
		memcpy(p, &v, sizeof(v));                                                         \
	}
WEIR_ENDIAN(16)
WEIR_ENDIAN(32)
WEIR_ENDIAN(64)
#undef WEIR_ENDIAN

#endif
