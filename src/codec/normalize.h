/*
 * normalize.h
 *	  A variable-length value as PostgreSQL hands it over -> as it is stored.
 *
 * Packed values get 4-byte headers; compressed ones stay so only in a column
 * with compression pglz, whose plain values are compressed if that shrinks
 * them.  Pointers into other storage and other compressions are refused.
 */
#ifndef GSTORE_NORMALIZE_H
#define GSTORE_NORMALIZE_H

#include "codec/codec.h"
#include "varlena.h"

/* *value may point into the value given or into scratch: valid until that is
 * used again. */
extern GstoreCodecStatus gstore_normalize(const void *pointer,
										  GstoreCompression compression,
										  GstoreScratch *scratch,
										  GstoreVarlena *value,
										  GstoreCodecError *error);

#endif
