/*
 * codec_context.h
 *	  What codecs, which know no PostgreSQL, are given of it: memory, and somebody
 *	  who raises their errors.
 */
#ifndef GSTORE_CODEC_CONTEXT_H
#define GSTORE_CODEC_CONTEXT_H

#include "codec/codec.h"
#include "compat.h"

/* Raise what a codec reports, with the SQLSTATE of its class. */
extern void gstore_codec_raise(GstoreCodecStatus status,
							   const GstoreCodecError *error,
							   const char *relname,
							   const GstoreSchema *schema) pg_attribute_noreturn();

/* A codec's memory from CurrentMemoryContext as of now; raises when there is
 * none. */
extern GstoreAllocator gstore_context_allocator(void);

#endif
