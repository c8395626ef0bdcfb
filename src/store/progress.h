/*
 * progress.h
 *	  How far gstore_compact() and gstore_load() are, where other sessions can
 *	  see it.
 */
#ifndef GSTORE_PROGRESS_H
#define GSTORE_PROGRESS_H

#include "store/estimate.h"

typedef enum GstoreProgressCommand
{
	GSTORE_PROGRESS_COMPACT,
	GSTORE_PROGRESS_LOAD
} GstoreProgressCommand;

/* Places a report may have. */
#define GSTORE_PROGRESS_PLACES 16

/* The place in its report, and which report it is. */
typedef enum GstoreProgressPlace
{
	GSTORE_COMPACT_PHASE = GSTORE_PROGRESS_COMPACT * GSTORE_PROGRESS_PLACES,
	GSTORE_COMPACT_CHUNKS_TOTAL, /* of the table, when it began */
	GSTORE_COMPACT_CHUNKS_READ,
	GSTORE_COMPACT_BYTES_TOTAL, /* of the images of those chunks */
	GSTORE_COMPACT_BYTES_READ,
	GSTORE_COMPACT_BYTES_WON,
	GSTORE_COMPACT_END,

	GSTORE_LOAD_SOURCE = GSTORE_PROGRESS_LOAD * GSTORE_PROGRESS_PLACES,
	GSTORE_LOAD_PHASE,
	GSTORE_LOAD_WORKERS,	  /* besides the session's own process */
	GSTORE_LOAD_BLOCKS_TOTAL, /* of the source, when it began; 0: not known */
	GSTORE_LOAD_BLOCKS_DONE,  /* given out to be read */
	GSTORE_LOAD_TUPLES_DONE,
	GSTORE_LOAD_BYTES_DONE, /* of the images of finished chunks */
	GSTORE_LOAD_END
} GstoreProgressPlace;

typedef enum GstoreCompactPhase
{
	GSTORE_COMPACT_CHOOSING,
	GSTORE_COMPACT_READING,
	GSTORE_COMPACT_WRITING,
	GSTORE_COMPACT_SWAPPING
} GstoreCompactPhase;

typedef enum GstoreLoadPhase
{
	GSTORE_LOAD_LOCKING,
	GSTORE_LOAD_COPYING,
	GSTORE_LOAD_FINISHING
} GstoreLoadPhase;

typedef struct GstoreProgress
{
	int pid;
	Oid database;
	Oid role;
	Oid table;
	int64 places[GSTORE_PROGRESS_PLACES];
} GstoreProgress;

/*
 * From begin to end, or an error, others see what the calls in between tell.
 * Those do nothing in a process that did not begin the command, the
 * maintenance worker for one.
 */
extern void gstore_progress_begin(GstoreProgressCommand command, Oid relid);
extern void gstore_progress_tell(GstoreProgressPlace place, int64 value);
extern void gstore_progress_add(GstoreProgressPlace place, int64 more);
extern void gstore_progress_end(GstoreProgressCommand command);

/* A chunk, of an image of so many bytes, was read to be compacted. */
extern void gstore_progress_read(uint64 bytes);

/* A chunk of so many bytes was added to a table: to the one that is loaded? */
extern void gstore_progress_chunk(Oid relid, uint64 bytes);

/* What all sessions tell of a command, in the current memory context. */
extern GstoreProgress *gstore_progress_list(GstoreProgressCommand command,
											int *count);

#endif
