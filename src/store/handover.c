/*
 * handover.c
 *	  Filled chunks on their way to the process that publishes them; see
 *	  handover.h.
 *
 * What lets go of a chunk runs while transactions fail: it neither raises nor
 * allocates, and looks at the shared memory only while this process is surely
 * attached to it, which a parallel worker is until it has aborted.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fault.h"
#include "request/wait_event.h"
#include "store/handover.h"

StaticAssertDecl(InvalidDsaPointer == 0, "an empty place is a zero");

/* A chunk in a place, as its helper knows it; in TopMemoryContext. */
typedef struct Posted
{
	pg_atomic_uint64 *place;
	dsa_pointer pointer;
	GstoreChunk *chunk;
} Posted;

struct GstoreHelper
{
	GstoreHandover *handover;
	GstoreHandoverBox *box;
	int next;								   /* place to be used */
	GstoreHold *holds[GSTORE_HANDOVER_PLACES]; /* of what was put there, or
												* NULL */
};

Size
gstore_handover_size(int nboxes)
{
	return offsetof(GstoreHandover, boxes) +
		   nboxes * sizeof(GstoreHandoverBox);
}

void
gstore_handover_init(GstoreHandover *handover, int nboxes)
{
	ConditionVariableInit(&handover->changed);
	handover->nboxes = nboxes;
	for (int i = 0; i < nboxes; i++)
	{
		GstoreHandoverBox *box = &handover->boxes[i];

		for (int j = 0; j < GSTORE_HANDOVER_PLACES; j++)
			pg_atomic_init_u64(&box->places[j], InvalidDsaPointer);
		pg_atomic_init_u32(&box->finished, 0);
	}
}

/* Take a chunk out of its place; false: somebody else has. */
static bool
take_out(pg_atomic_uint64 *place, dsa_pointer chunk)
{
	uint64 expected = chunk;

	return pg_atomic_compare_exchange_u64(place, &expected,
										  InvalidDsaPointer);
}

/* ---- the helper's side ---- */

/* The release callback of what was posted: free it unless it was taken. */
static void
withdraw(void *what)
{
	Posted *posted = what;
	GstoreChunk *chunk = posted->chunk;

	/* The chunk's own memory is looked at only if it is still ours. */
	if (take_out(posted->place, posted->pointer))
		gstore_chunk_discard(chunk);
	pfree(posted);
}

GstoreHelper *
gstore_helper_begin(GstoreHandover *handover, int box)
{
	GstoreHelper *helper = palloc0(sizeof(GstoreHelper));

	Assert(box < handover->nboxes);
	helper->handover = handover;
	helper->box = &handover->boxes[box];
	return helper;
}

/* Until the place is empty. */
static void
wait_for_place(GstoreHelper *helper, int place)
{
	pg_atomic_uint64 *where = &helper->box->places[place];

	if (pg_atomic_read_u64(where) != InvalidDsaPointer)
	{
		ConditionVariablePrepareToSleep(&helper->handover->changed);
		while (pg_atomic_read_u64(where) != InvalidDsaPointer)
			ConditionVariableSleep(&helper->handover->changed,
								   gstore_wait_event(GSTORE_WAIT_HANDOVER));
		ConditionVariableCancelSleep();
	}
	if (helper->holds[place] != NULL)
		gstore_hold_release(helper->holds[place]);
	helper->holds[place] = NULL;
}

void
gstore_helper_post(GstoreHelper *helper, GstoreChunk *chunk, GstoreHold *hold)
{
	int place = helper->next;
	GstoreHold *posting;
	Posted *posted;

	wait_for_place(helper, place);
	posting = gstore_hold_prepare("gstore_fdw posted chunk", withdraw);
	posted = MemoryContextAlloc(TopMemoryContext, sizeof(Posted));
	posted->place = &helper->box->places[place];
	posted->chunk = chunk;
	posted->pointer = chunk->self;
	helper->next = (place + 1) % GSTORE_HANDOVER_PLACES;

	/* From here to the end nothing raises. */
	gstore_hold_forget(hold);
	gstore_hold_take(posting, posted);
	helper->holds[place] = posting;
	pg_write_barrier();
	pg_atomic_write_u64(posted->place, posted->pointer);
	ConditionVariableBroadcast(&helper->handover->changed);
	GSTORE_FAULT_POINT("handover-posted");
}

void
gstore_helper_end(GstoreHelper *helper)
{
	pg_write_barrier();
	pg_atomic_write_u32(&helper->box->finished, 1);
	ConditionVariableBroadcast(&helper->handover->changed);
	GSTORE_FAULT_POINT("handover-finished");
	for (int i = 0; i < GSTORE_HANDOVER_PLACES; i++)
		wait_for_place(helper, i);
}

/* ---- the writer's side ---- */

GstoreChunk *
gstore_handover_take(GstoreHandover *handover, GstoreHold **hold)
{
	for (int i = 0; i < handover->nboxes * GSTORE_HANDOVER_PLACES; i++)
	{
		pg_atomic_uint64 *place =
			&handover->boxes[i / GSTORE_HANDOVER_PLACES].places[i % GSTORE_HANDOVER_PLACES];
		dsa_pointer pointer = pg_atomic_read_u64(place);
		GstoreChunk *chunk;

		if (!DsaPointerIsValid(pointer))
			continue;

		/* All that may raise comes before it is ours. */
		chunk = dsa_get_address(gstore_dsa(), pointer);
		*hold = gstore_chunk_prepare_hold();
		if (!take_out(place, pointer))
		{
			gstore_hold_forget(*hold);
			continue;
		}
		gstore_hold_take(*hold, chunk);
		ConditionVariableBroadcast(&handover->changed);
		GSTORE_FAULT_POINT("handover-taken");
		return chunk;
	}
	return NULL;
}

/* Is a chunk there, of any of the helpers? */
static bool
is_any_posted(GstoreHandover *handover)
{
	for (int i = 0; i < handover->nboxes; i++)
		for (int j = 0; j < GSTORE_HANDOVER_PLACES; j++)
			if (pg_atomic_read_u64(&handover->boxes[i].places[j]) !=
				InvalidDsaPointer)
				return true;
	return false;
}

bool
gstore_handover_is_over(GstoreHandover *handover, int nhelpers)
{
	for (int i = 0; i < nhelpers; i++)
		if (pg_atomic_read_u32(&handover->boxes[i].finished) == 0)
			return false;

	/* What was posted before it finished is seen now. */
	pg_read_barrier();
	return !is_any_posted(handover);
}

void
gstore_handover_wait(GstoreHandover *handover, int nhelpers, long timeout_ms)
{
	ConditionVariablePrepareToSleep(&handover->changed);
	if (!is_any_posted(handover) &&
		!gstore_handover_is_over(handover, nhelpers))
		(void) ConditionVariableTimedSleep(&handover->changed, timeout_ms,
										   gstore_wait_event(GSTORE_WAIT_HANDOVER));
	ConditionVariableCancelSleep();
}
