/*
 * writer.h
 *	  Rows of one statement on their way into chunks of one table.
 *
 * Rows are staged in the backend and become a chunk when a chunk is full, at
 * the statement's end, and before this transaction reads the table (its
 * triggers and functions see what the statement did so far).  They bear the
 * xid and command id of their insertion, whenever they are flushed.
 */
#ifndef GSTORE_WRITER_H
#define GSTORE_WRITER_H

#include "codec/codec.h"
#include "compat.h"
#include "store/catalog.h"

/* Where and how rows of a table are written. */
typedef struct GstoreTarget
{
	Oid relid;
	const char *relname;
	int pinning;
	const GstoreCodec *codec;
	const GstoreSchema *schema;
	const uint64 *fingerprints; /* per column; see schema.h */
} GstoreTarget;

typedef struct GstoreWriter GstoreWriter;

/*
 * A writer for the current subtransaction and command; the caller holds the
 * writer lock.  It and its memory go with the current memory context, as do
 * rows that were not flushed by then.  target must live as long.
 */
extern GstoreWriter *gstore_writer_begin(const GstoreTarget *target,
										 bool by_update);
/* Who can tell the value of the row being appended in a column that refuses it,
 * for the error's detail. */
extern void gstore_writer_on_refusal(GstoreWriter *writer,
									 char *(*describe)(void *state,
													   int column),
									 void *state);
/* Values as codec.h wants them.  May flush, and raise what that raises. */
extern void gstore_writer_append(GstoreWriter *writer,
								 const GstoreValue *values,
								 const bool *nulls);
/* Flush the rest.  The writer can be used on. */
extern void gstore_writer_flush(GstoreWriter *writer);

/* Raise what a codec reports, with the SQLSTATE of its class. */
extern void gstore_codec_raise(GstoreCodecStatus status,
							   const GstoreCodecError *error,
							   const char *relname,
							   const GstoreSchema *schema) pg_attribute_noreturn();

/* A codec's memory from CurrentMemoryContext as of now; raises when there is
 * none. */
extern GstoreAllocator gstore_context_allocator(void);

#endif
