/*
 * fixed.h
 *	  Columns of encoding GSTORE_ENCODING_FIXED, which both formats have: decoding,
 *	  and adding values.
 */
#ifndef GSTORE_FIXED_H
#define GSTORE_FIXED_H

#include <string.h>

#include "codec/bits.h"
#include "codec/codec.h"

/* The validity of rows of any view as one bool per row. */
static inline void
gstore_decode_nulls(const GstoreColumnView *view, uint64 from, uint64 count,
					bool *nulls)
{
	if (view->validity == NULL)
		memset(nulls, false, count * sizeof(bool));
	else
		gstore_bits_to_nulls(view->validity, view->validity_bit + from, count,
							 nulls);
}

/* Rows that are not in the bitmap are as good as NULL to a decoder. */
static inline void
gstore_decode_only(const uint8 *only, uint64 count, bool *nulls)
{
	for (uint64 i = 0; only != NULL && i < count; i++)
		nulls[i] |= !gstore_bit(only, i);
}

/* As PostgreSQL makes Datums of values: by-value ones are sign-extended. */
static inline void
gstore_decode_fixed(const GstoreColumnView *view, uint64 from, uint64 count,
					GstoreValue *values, bool *nulls)
{
	const uint8 *source = view->values + from * view->stride;

	if (!view->attbyval)
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (uintptr_t) (source + i * view->stride);
	else if (view->attlen == 8)
		memcpy(values, source, count * 8);
	else if (view->attlen == 4)
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (int64) ((const int32 *) source)[i];
	else if (view->attlen == 2)
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (int64) ((const int16 *) source)[i];
	else
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (int64) ((const int8 *) source)[i];
	gstore_decode_nulls(view, from, count, nulls);
}

/* Values, or 0 where nulls (which may be NULL) says so, to an array of type. */
#define GSTORE_APPEND_FIXED(type, array, values, nulls, count) \
	do \
	{ \
		type *target_ = (type *) (array); \
\
		if ((nulls) == NULL) \
			for (uint32 i_ = 0; i_ < (count); i_++) \
				target_[i_] = (type) (values)[i_]; \
		else \
			for (uint32 i_ = 0; i_ < (count); i_++) \
				target_[i_] = (nulls)[i_] ? 0 : (type) (values)[i_]; \
	} while (0)

#endif
