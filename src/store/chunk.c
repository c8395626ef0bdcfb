/*
 * chunk.c
 *	  Making, pinning and burying chunks; see chunk.h.
 *
 * Must never look inside an image, and never free DSA memory but in
 * gstore_graveyard_pop() and gstore_graveyard_sweep(): the rest runs in transaction
 * callbacks.
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "fault.h"
#include "request/devices.h"
#include "request/request.h"
#include "request/view.h"
#include "store/chunk.h"

/* A chunk of fewer rows is read as a whole. */
#define FEWEST_ROWS_WITH_BOUNDS 1024

typedef struct Graveyard
{
	/* of the next chunk made: for everyone who makes one, so by itself */
	pg_atomic_uint64 next_id;
	char padding[PG_CACHE_LINE_SIZE - sizeof(pg_atomic_uint64)];
	slock_t mutex;		  /* for all that follows */
	dsa_pointer head;	  /* the keeper is to free their memory; linked through
						   * next_dead, as are the others */
	dsa_pointer emptied;  /* structs alone are left */
	dsa_pointer sweeping; /* of these, what the maintenance worker, and nobody
						   * else, has taken */
	uint32 nfree;		  /* places of the retired */
	uint32 free[GSTORE_MOST_RETIRED];
	GstoreRetired retired[GSTORE_MOST_RETIRED];
} Graveyard;

static Graveyard *graveyard;

Size
gstore_chunk_shmem_size(void)
{
	return MAXALIGN(sizeof(Graveyard));
}

void
gstore_chunk_shmem_startup(void)
{
	bool found;

	graveyard = ShmemInitStruct("gstore_fdw graveyard", sizeof(Graveyard),
								&found);
	if (!found)
	{
		SpinLockInit(&graveyard->mutex);
		graveyard->head = InvalidDsaPointer;
		graveyard->emptied = InvalidDsaPointer;
		graveyard->sweeping = InvalidDsaPointer;
		pg_atomic_init_u64(&graveyard->next_id, 1);
		memset(graveyard->retired, 0, sizeof(graveyard->retired));
		graveyard->nfree = GSTORE_MOST_RETIRED;
		for (uint32 i = 0; i < GSTORE_MOST_RETIRED; i++)
			graveyard->free[i] = i;
	}
}

/*
 * Free a chunk nobody can reach.  Arena memory goes back at once, so that
 * what a DROP freed can be had as soon as it committed; the struct waits for
 * the maintenance worker, who comes by, and memory of a device for the keeper,
 * who is woken.  That is taken off the books when it is in the graveyard, not
 * before: whoever may then have it, and finds that the device is full, finds
 * there what is to be freed first.
 */
static void
bury(GstoreChunk *chunk)
{
	GstoreLocation location = chunk->location;
	bool emptied = gstore_location_free(location);
	dsa_pointer *list = emptied ? &graveyard->emptied : &graveyard->head;
	bool first;

	SpinLockAcquire(&graveyard->mutex);
	if (chunk->retired != 0)
	{
		graveyard->retired[chunk->retired - 1].id = 0;
		graveyard->free[graveyard->nfree++] = chunk->retired - 1;
	}
	first = !DsaPointerIsValid(*list);
	chunk->next_dead = *list;
	*list = chunk->self;
	SpinLockRelease(&graveyard->mutex);
	if (emptied)
		return;

	/* From here on the chunk is the keeper's, who looks for more until there
	 * is none: where others lie, it has been woken. */
	gstore_location_uncharge(location);
	if (first)
		gstore_request_wake_keeper();
}

static void
release_unpublished(void *what)
{
	bury((GstoreChunk *) what);
}

void
gstore_chunk_discard(GstoreChunk *chunk)
{
	bury(chunk);
}

GstoreHold *
gstore_chunk_prepare_hold(void)
{
	return gstore_hold_prepare("gstore_fdw chunk", release_unpublished);
}

GstoreChunk *
gstore_chunk_create(uint32 nranges, GstoreHold **hold)
{
	dsa_area *area = gstore_dsa();
	Size size = offsetof(GstoreChunk, ranges) +
				nranges * sizeof(GstoreRange);
	dsa_pointer pointer;
	GstoreChunk *chunk;

	*hold = gstore_chunk_prepare_hold();
	pointer = dsa_allocate0(area, size);
	chunk = dsa_get_address(area, pointer);
	chunk->id = pg_atomic_fetch_add_u64(&graveyard->next_id, 1);
	chunk->self = pointer;
	chunk->next_dead = InvalidDsaPointer;
	chunk->deletions = InvalidDsaPointer;
	chunk->schema = InvalidDsaPointer;
	chunk->bounds = InvalidDsaPointer;
	chunk->nranges = nranges;
	pg_atomic_init_u32(&chunk->pins, 0);
	pg_atomic_init_u32(&chunk->xmax.outcome, GSTORE_UNSTAMPED);
	gstore_hold_take(*hold, chunk);
	return chunk;
}

static Size
bounds_size(uint64 rows, int ncols)
{
	if (rows < FEWEST_ROWS_WITH_BOUNDS)
		return 0;
	return sizeof(GstoreBounds) * gstore_block_count(rows) * ncols;
}

GstoreBounds *
gstore_bounds_make(MemoryContext context, uint64 rows, int ncols)
{
	Size size = bounds_size(rows, ncols);

	return size == 0 ? NULL : MemoryContextAllocHuge(context, size);
}

GstoreBounds *
gstore_chunk_make_bounds(GstoreChunk *chunk, int ncols)
{
	Size size = bounds_size(chunk->rows, ncols);

	if (size == 0)
		return NULL;
	/* The chunk has them from here on, whatever becomes of it. */
	chunk->bounds = dsa_allocate_extended(gstore_dsa(), size, DSA_ALLOC_HUGE);
	return dsa_get_address(gstore_dsa(), chunk->bounds);
}

void
gstore_chunk_keep_bounds(GstoreChunk *chunk, const GstoreBounds *bounds,
						 int ncols)
{
	if (bounds != NULL)
		memcpy(gstore_chunk_make_bounds(chunk, ncols), bounds,
			   bounds_size(chunk->rows, ncols));
}

const GstoreBounds *
gstore_chunk_bounds(const GstoreChunk *chunk, const GstoreSchema *schema,
					uint32 block)
{
	const GstoreBounds *bounds;

	if (!DsaPointerIsValid(chunk->bounds))
		return NULL;
	bounds = dsa_get_address(gstore_dsa(), chunk->bounds);
	return bounds + (Size) block * schema->ncols;
}

void
gstore_chunk_pin(GstoreChunk *chunk)
{
	uint32 before = pg_atomic_fetch_add_u32(&chunk->pins, 1);

	Assert((before & GSTORE_CHUNK_UNLINKED) == 0);
	(void) before;
}

void
gstore_chunk_unpin(GstoreChunk *chunk)
{
	if (pg_atomic_fetch_sub_u32(&chunk->pins, 1) ==
		(GSTORE_CHUNK_UNLINKED | 1))
		bury(chunk);
}

void
gstore_chunk_unpin_pointer(dsa_pointer chunk)
{
	gstore_chunk_unpin(dsa_get_address(gstore_dsa(), chunk));
}

void
gstore_chunk_pin_again(dsa_pointer chunk)
{
	GstoreChunk *pinned = dsa_get_address(gstore_dsa(), chunk);

	pg_atomic_fetch_add_u32(&pinned->pins, 1);
}

void
gstore_chunk_keep_private(GstoreChunk *chunk)
{
	pg_atomic_write_u32(&chunk->pins, GSTORE_CHUNK_UNLINKED | 1);
}

/* Put it down among the retired, where there is a place. */
static void
retire(GstoreChunk *chunk, const GstoreTableKey *key)
{
	GstoreRetired retired = {chunk->id, *key, chunk->rows,
							 chunk->location.length, GetCurrentTimestamp()};

	SpinLockAcquire(&graveyard->mutex);
	if (graveyard->nfree > 0)
	{
		uint32 place = graveyard->free[--graveyard->nfree];

		graveyard->retired[place] = retired;
		chunk->retired = place + 1;
	}
	SpinLockRelease(&graveyard->mutex);
}

GstoreRetired *
gstore_chunks_retired(int *count)
{
	GstoreRetired *list;

	(void) gstore_dsa(); /* says what is wrong without the preload */
	list = palloc(sizeof(graveyard->retired));
	*count = 0;
	SpinLockAcquire(&graveyard->mutex);
	for (int i = 0; i < GSTORE_MOST_RETIRED; i++)
		if (graveyard->retired[i].id != 0)
			list[(*count)++] = graveyard->retired[i];
	SpinLockRelease(&graveyard->mutex);
	return list;
}

void
gstore_chunk_unlink(GstoreChunk *chunk, uint32 mine, const GstoreTableKey *key)
{
	/* Whoever has it pinned may let go at any time, and buries it then. */
	if (pg_atomic_read_u32(&chunk->pins) > mine)
		retire(chunk, key);
	if (pg_atomic_fetch_or_u32(&chunk->pins, GSTORE_CHUNK_UNLINKED) == 0)
		bury(chunk);
}

bool
gstore_chunk_all_aborted(const GstoreChunk *chunk)
{
	for (uint32 i = 0; i < chunk->nranges; i++)
		if (gstore_stamp_outcome(&chunk->ranges[i].stamp) != GSTORE_ABORTED)
			return false;
	return true;
}

bool
gstore_chunk_is_lost(const GstoreChunk *chunk)
{
	return !gstore_location_alive(chunk->location.device,
								  chunk->location.epoch,
								  chunk->location.kind);
}

/* Free the struct of a chunk, and what goes with it. */
static void
free_chunk(GstoreChunk *chunk)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer deletion;

	for (deletion = chunk->deletions; DsaPointerIsValid(deletion);)
	{
		GstoreDeletion *vector = dsa_get_address(area, deletion);
		dsa_pointer next = vector->next;

		dsa_free(area, deletion);
		deletion = next;
	}
	if (DsaPointerIsValid(chunk->bounds))
		dsa_free(area, chunk->bounds);
	dsa_free(area, chunk->self);
}

bool
gstore_graveyard_pop(GstoreLocation *location)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer pointer;
	GstoreChunk *chunk;
	bool taken = false;

	/*
	 * Others bury while we look, so the head may have moved on by the time
	 * its struct is mapped, which must not happen under a spinlock.
	 */
	do
	{
		SpinLockAcquire(&graveyard->mutex);
		pointer = graveyard->head;
		SpinLockRelease(&graveyard->mutex);
		if (!DsaPointerIsValid(pointer))
			return false;

		chunk = dsa_get_address(area, pointer);
		SpinLockAcquire(&graveyard->mutex);
		if (graveyard->head == pointer)
		{
			graveyard->head = chunk->next_dead;
			taken = true;
		}
		SpinLockRelease(&graveyard->mutex);
	} while (!taken);

	*location = chunk->location;
	free_chunk(chunk);
	return true;
}

void
gstore_graveyard_sweep(void)
{
	dsa_area *area = gstore_dsa();

	if (!DsaPointerIsValid(graveyard->sweeping))
	{
		SpinLockAcquire(&graveyard->mutex);
		graveyard->sweeping = graveyard->emptied;
		graveyard->emptied = InvalidDsaPointer;
		SpinLockRelease(&graveyard->mutex);
	}

	/* Whoever is interrupted goes on with the rest the next time. */
	while (DsaPointerIsValid(graveyard->sweeping))
	{
		GstoreChunk *chunk = dsa_get_address(area, graveyard->sweeping);

		GSTORE_FAULT_POINT("graveyard-sweep");
		graveyard->sweeping = chunk->next_dead;
		free_chunk(chunk);
	}
}
