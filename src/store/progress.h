/*
 * progress.h
 *	  How far gstore_compact() is, where other sessions can see it.
 */
#ifndef GSTORE_PROGRESS_H
#define GSTORE_PROGRESS_H

#include "store/estimate.h"

typedef enum GstoreProgressPhase
{
	GSTORE_PROGRESS_CHOOSING,
	GSTORE_PROGRESS_READING,
	GSTORE_PROGRESS_WRITING,
	GSTORE_PROGRESS_SWAPPING
} GstoreProgressPhase;

typedef struct GstoreProgress
{
	int pid;
	Oid database;
	Oid role;
	Oid table;
	GstoreProgressPhase phase;
	int64 chunks_total; /* of the table, when it began */
	int64 chunks_read;
	int64 bytes_total; /* of the images of those chunks */
	int64 bytes_read;
	int64 bytes_won;
} GstoreProgress;

/*
 * From begin to end, or an error, others see what the calls in between tell.
 * Those do nothing in a process that did not begin, the maintenance worker for
 * one.
 */
extern void gstore_progress_begin(Oid relid, GstoreTableSize size);
extern void gstore_progress_phase(GstoreProgressPhase phase);
extern void gstore_progress_read(uint64 bytes);
extern void gstore_progress_won(int64 bytes);
extern void gstore_progress_end(void);

/* What all sessions tell, in the current memory context. */
extern GstoreProgress *gstore_progress_list(int *count);

#endif
