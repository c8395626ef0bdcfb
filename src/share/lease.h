/*
 * lease.h
 *	  Exported images: each is pinned until the session that exported it lets
 *	  go, whatever becomes of its table.
 *
 * A session ends its leases one by one, or all with DISCARD ALL or its own end.
 */
#ifndef GSTORE_LEASE_H
#define GSTORE_LEASE_H

#include "datatype/timestamp.h"

#include "request/request.h"
#include "store/chunk.h"

typedef struct GstoreLease
{
	int pid; /* of the session; 0: the slot is free */
	Oid database;
	Oid table;
	Oid role;
	uint32 revision; /* of the table when it was exported */
	uint32 count;	 /* exports, less releases */
	bool in_place;	 /* the table's own chunk, not a copy */
	uint64 content;	 /* of a copy: says of what rows */
	dsa_pointer chunk;
	uint64 chunk_id;		 /* of it */
	bool is_retired;		 /* no table has it any more; as of gstore_leases() */
	GstoreLocation location; /* of the image, as long as this lives */
	uint64 bytes;			 /* of the image */
	uint64 rows;
	uint8 format;	   /* GstoreFormat */
	TimestampTz since; /* first export */
	int slot;		   /* of the table of leases */
	GstoreIpcHandle handle;
} GstoreLease;

extern Size gstore_lease_shmem_size(void);
extern void gstore_lease_shmem_startup(void);
/* In _PG_init, whether preloaded or not: DISCARD ALL. */
extern void gstore_lease_init(void);

/*
 * Lease a chunk: *lease says all but pid, count, since and slot, which is
 * filled in.  The chunk is pinned
 * once more by the lease if it is the table's, and given to it if it is a copy
 * (kept private).  Again for the same chunk by the same session: counts.
 * Raises 53400 when there are too many, having changed nothing.
 */
extern void gstore_lease_take(GstoreLease *lease);

/* This session's lease of a chunk, or of a copy of that content of a table,
 * counted once more; false if there is none whose memory is still there. */
extern bool gstore_lease_again(Oid table, dsa_pointer chunk, uint64 content,
							   GstoreLease *lease);

/* Release once what this session exported by that handle; false if it has no
 * such lease. */
extern bool gstore_lease_release(const GstoreIpcHandle *handle);

/* The same for what this session leased, by its slot; does not raise. */
extern void gstore_lease_release_slot(int slot);

/* Any session's live lease by its handle. */
extern bool gstore_lease_find(const GstoreIpcHandle *handle,
							  GstoreLease *lease);

/* The same, with a pin on its chunk, undone by gstore_chunk_unpin_pointer(). */
extern bool gstore_lease_pin(const GstoreIpcHandle *handle,
							 GstoreLease *lease);

/* Is there shared memory for leases: was the library loaded at server start? */
extern bool gstore_lease_are_there(void);

/* All leases there are, in the current memory context. */
extern GstoreLease *gstore_leases(int *count);

#endif
