/*
 * normalize.c
 *	  Variable-length values made ready to be stored; see normalize.h.
 */
#include <string.h>

#include "codec/normalize.h"
#include "pglz.h"

/* Values shorter than this are not worth trying: the server's own limit. */
#define MIN_COMPRESSIBLE 32

/* No stream of n bytes yields more: a copy of 273 bytes takes three bytes, and
 * eight of them a control byte more. */
#define MAX_RATIO 91

static GstoreCodecStatus
decompress(GstoreScratch *scratch, GstoreVarlena *value,
		   GstoreCodecError *error)
{
	uint32 raw = gstore_varlena_raw_bytes(value);
	uint32 stream = value->body_bytes - 4;
	uint8 *target;

	if (raw > (uint64) stream * MAX_RATIO)
		return gstore_codec_corrupt(error, -1,
									"a compressed value is damaged");
	target = gstore_scratch_reserve(scratch, raw);
	if (target == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	if (gstore_pglz_decompress(value->body + 4, stream, target, raw) != 0)
		return gstore_codec_corrupt(error, -1,
									"a compressed value is damaged");
	value->body = target;
	value->body_bytes = raw;
	value->header = (raw + 4) << 2;
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
compress(GstoreScratch *scratch, GstoreVarlena *value,
		 GstoreCodecError *error)
{
	uint32 raw = value->body_bytes;
	uint8 *target = gstore_scratch_reserve(scratch, (uint64) raw + 8);
	int32 bytes;

	if (target == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	bytes = scratch->allocator->compress((const char *) value->body,
										 (int32) raw, (char *) target + 4);
	if (bytes < 0 || GSTORE_ALIGN((uint64) bytes + 8, 8) >= GSTORE_ALIGN((uint64) raw + 4, 8))
		return GSTORE_CODEC_OK;
	memcpy(target, &raw, sizeof(raw));
	value->body = target;
	value->body_bytes = (uint32) bytes + 4;
	value->header = (value->body_bytes + 4) << 2 | 2;
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_normalize(const void *pointer, GstoreCompression compression,
				 GstoreScratch *scratch, GstoreVarlena *value,
				 GstoreCodecError *error)
{
	/* The first byte of what points elsewhere. */
	if (unlikely(*(const uint8 *) pointer == 1))
		return gstore_codec_fail(error, GSTORE_CODEC_VALUE, -1,
								 "a value was not fetched before it was stored",
								 "");
	*value = gstore_varlena(pointer);
	if (unlikely(gstore_varlena_is_compressed(value)))
	{
		if (gstore_varlena_method(value) != 0)
			return gstore_codec_fail(error, GSTORE_CODEC_VALUE, -1,
									 "a value is compressed by a method other than pglz",
									 "");
		return compression == GSTORE_COMPRESSION_PGLZ ? GSTORE_CODEC_OK
													  : decompress(scratch, value, error);
	}
	if (compression == GSTORE_COMPRESSION_PGLZ &&
		scratch->allocator->compress != NULL &&
		value->body_bytes >= MIN_COMPRESSIBLE)
		return compress(scratch, value, error);
	return GSTORE_CODEC_OK;
}
