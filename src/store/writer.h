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
#include "store/catalog.h"
#include "store/handover.h"

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

/* The text of a value that is refused, for the error's detail; value NULL: that
 * of the row being appended. */
typedef char *(*GstoreDescribeValue)(void *state, int column,
									 const GstoreValue *value);

/* A variable-length value whose bytes a codec does not read, as one that it
 * does: a palloc'ed copy. */
typedef struct varlena *(*GstoreMakeStorable)(GstoreValue value);

/*
 * A writer for the current subtransaction and command; the caller holds the
 * writer lock.  It and its memory go with the current memory context, as do
 * rows that were not flushed by then.  target must live as long.  Where there are
 * many rows, they are encoded by so many threads, the caller's among them.
 */
extern GstoreWriter *gstore_writer_begin(const GstoreTarget *target,
										 bool by_update, int threads);
/* A writer in a process that helps the table's writer, which passes it the
 * transaction's stamp and the lock: chunks go to that process. */
extern GstoreWriter *gstore_writer_begin_helping(const GstoreTarget *target,
												 GstoreHelper *helper,
												 int threads);
/* Before its first row: so many threads after all. */
extern void gstore_writer_set_threads(GstoreWriter *writer, int threads);
/* Before its first row, or before helpers begin, who cannot: the transaction has an
 * id and the table an entry. */
extern void gstore_writer_prepare(GstoreWriter *writer);
/* Publish a chunk that a helper filled, as if this writer had. */
extern void gstore_writer_publish(GstoreWriter *writer, GstoreChunk *chunk,
								  GstoreHold *hold);
extern void gstore_writer_on_refusal(GstoreWriter *writer,
									 GstoreDescribeValue describe,
									 void *state);
/* Needed for gstore_writer_append_tuple. */
extern void gstore_writer_make_storable(GstoreWriter *writer,
										GstoreMakeStorable storable);
/*
 * Values as codec.h wants them.  May raise what an earlier row, or a flush, makes
 * it raise; what this row's values make it raise comes here, but for what the
 * encoder finds out later.
 */
extern void gstore_writer_append(GstoreWriter *writer,
								 const GstoreValue *values,
								 const bool *nulls);
/* The same where values may also be some that only the backend reads.  False: there
 * is one, or not now: make them what codec.h wants, and append them. */
extern bool gstore_writer_append_storable(GstoreWriter *writer,
										  const GstoreValue *values,
										  const bool *nulls);
/*
 * The same of a heap tuple (or one whose first 16 bytes are not there) with all of
 * the schema's columns and no value outside of it; what is wrong with its values
 * is raised later.  False: not now, append its values instead.
 */
extern bool gstore_writer_append_tuple(GstoreWriter *writer,
									   const void *tuple, uint32 length);
/* Flush the rest.  The writer can be used on. */
extern void gstore_writer_flush(GstoreWriter *writer);

#endif
