/*
 * varlena.h
 *	  The header of a PostgreSQL variable-length value, for CPU and GPU.
 *
 * In an image values have 4-byte headers (gstore_format.h); what comes from
 * PostgreSQL may have a 1-byte one.  Never a pointer to somewhere else: the
 * caller has fetched those.  Lengths are believed: gstore_varlena_is_sound()
 * says first whether that may be.
 */
#ifndef GSTORE_VARLENA_H
#define GSTORE_VARLENA_H

#include <string.h>

#include "gstore_format.h"

typedef struct GstoreVarlena
{
	uint32_t header;	 /* the 4-byte header it has, or would have */
	uint32_t body_bytes; /* behind the header */
	const uint8_t *body;
} GstoreVarlena;

/* Take any in-line value apart. */
GSTORE_INLINE GstoreVarlena
gstore_varlena(const void *value)
{
	const uint8_t *bytes = (const uint8_t *) value;
	GstoreVarlena result;

	if (bytes[0] & 1)
	{
		result.body = bytes + 1;
		result.body_bytes = (uint32_t) (bytes[0] >> 1) - 1;
		result.header = (result.body_bytes + 4) << 2;
	}
	else
	{
		memcpy(&result.header, bytes, sizeof(result.header));
		result.body = bytes + 4;
		result.body_bytes = (result.header >> 2) - 4;
	}
	return result;
}

/* Is it neither compressed nor a pointer to somewhere else? */
GSTORE_INLINE int
gstore_varlena_is_plain(const void *value)
{
	uint8_t first = *(const uint8_t *) value;

	return (first & 1) ? first != 1 : (first & 2) == 0;
}

/* Is the body a size and a compressed stream? */
GSTORE_INLINE int
gstore_varlena_is_compressed(const GstoreVarlena *value)
{
	return (value->header & 3) == 2;
}

/* Bytes of a compressed value's plain body. */
GSTORE_INLINE uint32_t
gstore_varlena_raw_bytes(const GstoreVarlena *value)
{
	uint32_t word;

	memcpy(&word, value->body, sizeof(word));
	return word & 0x3FFFFFFF;
}

/* How it is compressed: 0 = pglz, 1 = lz4. */
GSTORE_INLINE uint32_t
gstore_varlena_method(const GstoreVarlena *value)
{
	uint32_t word;

	memcpy(&word, value->body, sizeof(word));
	return word >> 30;
}

/* Does a value with a 4-byte header lie wholly within the available bytes? */
GSTORE_INLINE int
gstore_varlena_is_sound(const void *value, uint64_t available)
{
	uint32_t header;

	if (available < 4)
		return 0;
	memcpy(&header, value, sizeof(header));
	if ((header & 1) != 0 || (header >> 2) < 4 || (header >> 2) > available)
		return 0;
	return (header & 3) == 0 || (header >> 2) >= 8;
}

#endif
