/*
 * view.c
 *	  Views of a chunk's bytes.
 *
 * A view is in one of three places:
 *
 *	 in the arena	pointers go straight to the image
 *	 staged			its ranges were sent for in up to MAX_PARTS requests, each
 *					with a roomy staging window of its own, when it was opened
 *	 copied			its ranges are brought by gstore_view_wait(), through a
 *					narrow staging window, into an extent of the pool: when the
 *					staging area is full, others wait for it, the view is too
 *					large for it, or this process has sent for enough already
 *
 * Must never wait for a roomy window, nor for anything while it has a narrow
 * one but the keeper.  What a view looks like when it is let go of must not be
 * in query memory: see hold.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "device/arena.h"
#include "fault.h"
#include "request/devices.h"
#include "request/request.h"
#include "request/staging.h"
#include "request/view.h"

/* Requests one view sends, and those one process has under way by views. */
#define MAX_PARTS 2
#define MAX_SENT 2

/* Where ranges begin in staging: what SIMD loads and CUDA copies like. */
#define RANGE_ALIGNMENT 64

/* Ranges [first, first + count) in a window of their own. */
typedef struct Part
{
	int first;
	int count;
	GstoreRequest *request; /* while the keeper has the window, else NULL */
	uint64 staging_offset;	/* the window, once it is ours */
	uint64 staging_length;	/* 0: it is not */
} Part;

struct GstoreView
{
	GstoreHold *hold;
	GstoreLocation location;
	dsa_pointer pinned;
	char *purpose;
	bool ready; /* pointers may be used */
	int nparts; /* staged only */
	Part parts[MAX_PARTS];
	uint64 extent_offset; /* copied: the pool's memory */
	uint64 extent_length; /* 0: none */
	uint64 bytes;		  /* of all ranges, each aligned */
	int nranges;
	GstoreByteRange *ranges;
	uint64 *offsets; /* where each begins in the arena */
};

static MemoryContext views_context = NULL;

/* ---- letting go ---- */

/* The hold's release callback.  Requests have holds of their own. */
static void
release_view(void *what)
{
	GstoreView *view = what;

	for (int i = 0; i < view->nparts; i++)
		gstore_staging_give(view->parts[i].staging_offset,
							view->parts[i].staging_length);
	if (view->extent_length > 0)
		gstore_arena_free(view->extent_offset, view->extent_length);
	pfree(view);
}

void
gstore_view_close(GstoreView *view)
{
	/* What is still on its way is abandoned: the keeper gives it back. */
	for (int i = 0; i < view->nparts; i++)
		if (view->parts[i].request != NULL)
			gstore_request_abandon(view->parts[i].request);
	gstore_hold_release(view->hold);
}

/* ---- opening ---- */

/* One block holds the view, its ranges, its offsets and its purpose. */
static GstoreView *
create_view(GstoreLocation location, dsa_pointer pinned,
			const GstoreByteRange *ranges, int nranges, const char *purpose)
{
	Size purpose_bytes = strlen(purpose) + 1;
	Size view_bytes = MAXALIGN(sizeof(GstoreView));
	Size range_bytes = nranges * sizeof(GstoreByteRange);
	Size offset_bytes = nranges * sizeof(uint64);
	GstoreHold *hold;
	GstoreView *view;
	char *block;

	if (views_context == NULL)
		views_context = AllocSetContextCreate(TopMemoryContext,
											  "gstore_fdw views",
											  ALLOCSET_DEFAULT_SIZES);
	hold = gstore_hold_prepare("gstore_fdw view", release_view);
	block = MemoryContextAllocZero(views_context,
								   view_bytes + range_bytes + offset_bytes +
									   purpose_bytes);
	view = (GstoreView *) block;
	view->ranges = (GstoreByteRange *) (block + view_bytes);
	view->offsets = (uint64 *) (block + view_bytes + range_bytes);
	view->purpose = block + view_bytes + range_bytes + offset_bytes;
	memcpy(view->ranges, ranges, range_bytes);
	memcpy(view->purpose, purpose, purpose_bytes);
	view->location = location;
	view->pinned = pinned;
	view->nranges = nranges;
	view->hold = hold;
	gstore_hold_take(hold, view);
	return view;
}

static void
check_ranges(GstoreView *view)
{
	uint64 length = view->location.length;

	for (int i = 0; i < view->nranges; i++)
	{
		GstoreByteRange range = view->ranges[i];

		if (range.offset > length || range.length > length - range.offset)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("a range of %llu bytes at offset %llu lies outside an image of %llu bytes",
							(unsigned long long) range.length,
							(unsigned long long) range.offset,
							(unsigned long long) length),
					 errcontext("%s", view->purpose)));
		view->bytes += GSTORE_ALIGN(range.length, RANGE_ALIGNMENT);
	}
}

static void
check_alive(GstoreView *view)
{
	if (!gstore_location_alive(view->location.device, view->location.epoch,
							   view->location.kind))
		ereport(ERROR,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg("what device %d held was lost", view->location.device),
				 errhint("TRUNCATE the table and load it again."),
				 errcontext("%s", view->purpose)));
}

/* Take windows for all ranges, a part for each GSTORE_REQUEST_SEGMENTS of
 * them; false, and none, when there is not enough room now. */
static bool
take_windows(GstoreView *view)
{
	int first = 0;

	view->nparts = 0;
	while (first < view->nranges)
	{
		Part *part = &view->parts[view->nparts];
		uint64 bytes = 0;
		int count = Min(view->nranges - first,
						GSTORE_REQUEST_SEGMENTS);

		for (int i = first; i < first + count; i++)
			bytes += GSTORE_ALIGN(view->ranges[i].length, RANGE_ALIGNMENT);
		memset(part, 0, sizeof(*part));
		part->first = first;
		part->count = count;
		if (!gstore_staging_take_roomy(Max(bytes, RANGE_ALIGNMENT),
									   &part->staging_offset,
									   &part->staging_length))
		{
			while (view->nparts > 0)
			{
				part = &view->parts[--view->nparts];
				gstore_staging_give(part->staging_offset,
									part->staging_length);
			}
			return false;
		}
		view->nparts++;
		first += count;
	}
	return true;
}

/* Send for a part: its window becomes the request's. */
static void
send_part(GstoreView *view, Part *part)
{
	GstoreRequest *request;
	uint64 offset = 0;

	request = gstore_request_begin(GSTORE_REQUEST_FETCH,
								   view->location.device);
	request->location = view->location;
	request->pinned = view->pinned;
	for (int i = 0; i < part->count; i++)
	{
		GstoreByteRange range = view->ranges[part->first + i];

		request->segments[i].device_offset = range.offset;
		request->segments[i].staging_offset = offset;
		request->segments[i].length = range.length;
		view->offsets[part->first + i] = part->staging_offset + offset;
		offset += GSTORE_ALIGN(range.length, RANGE_ALIGNMENT);
	}
	request->nsegments = part->count;
	request->staging_offset = part->staging_offset;
	request->staging_length = part->staging_length;
	part->staging_length = 0;
	part->request = request;
	gstore_request_submit(request);
}

/* May it be sent for, with so many requests of this process under way? */
static bool
is_sendable(const GstoreView *view, int max_held)
{
	int nparts = (view->nranges + GSTORE_REQUEST_SEGMENTS - 1) /
				 GSTORE_REQUEST_SEGMENTS;

	return nparts <= MAX_PARTS &&
		   gstore_request_held() + nparts <= max_held &&
		   view->bytes <= gstore_staging_roomy_bytes();
}

static void
send_parts(GstoreView *view)
{
	for (int i = 0; i < view->nparts; i++)
		send_part(view, &view->parts[i]);
}

/* Send for everything, if there is room that nobody waits for and enough is not
 * under way. */
static bool
send_for(GstoreView *view, int max_held)
{
	if (!is_sendable(view, max_held) || gstore_staging_is_wanted() ||
		!take_windows(view))
		return false;
	send_parts(view);
	return true;
}

GstoreView *
gstore_view_open(GstoreLocation location, dsa_pointer pinned,
				 const GstoreByteRange *ranges, int nranges,
				 const char *purpose)
{
	GstoreView *view = create_view(location, pinned, ranges, nranges,
								   purpose);

	check_ranges(view);
	check_alive(view);
	if (location.kind == GSTORE_LOCATION_ARENA)
	{
		for (int i = 0; i < nranges; i++)
			view->offsets[i] = location.address + ranges[i].offset;
		view->ready = true;
	}
	else if (nranges == 0)
		view->ready = true;
	else
		(void) send_for(view, MAX_SENT);
	GSTORE_FAULT_POINT("view-open");
	return view;
}

/* ---- copying through a narrow window ---- */

/* A place within the ranges: byte done of range. */
typedef struct Cursor
{
	int range;
	uint64 done;
} Cursor;

/* Fill a request with as much as its window takes, from the cursor on. */
static void
fill_request(GstoreView *view, GstoreRequest *request, Cursor *cursor)
{
	uint64 room = request->staging_length;
	uint64 offset = 0;

	request->nsegments = 0;
	while (cursor->range < view->nranges &&
		   request->nsegments < GSTORE_REQUEST_SEGMENTS && offset < room)
	{
		GstoreByteRange range = view->ranges[cursor->range];
		GstoreSegment *segment = &request->segments[request->nsegments++];

		segment->device_offset = range.offset + cursor->done;
		segment->staging_offset = offset;
		segment->length = Min(range.length - cursor->done, room - offset);
		offset += GSTORE_ALIGN(segment->length, RANGE_ALIGNMENT);
		cursor->done += segment->length;
		if (cursor->done == range.length)
		{
			cursor->range++;
			cursor->done = 0;
		}
	}
}

/* Copy what came to where it belongs, from the cursor on. */
static void
take_out(GstoreView *view, GstoreRequest *request, Cursor *cursor)
{
	const char *window = gstore_arena_pointer(request->staging_offset);

	for (int i = 0; i < request->nsegments; i++)
	{
		GstoreSegment *segment = &request->segments[i];
		char *target = gstore_arena_pointer(view->offsets[cursor->range]);

		memcpy(target + cursor->done, window + segment->staging_offset,
			   segment->length);
		cursor->done += segment->length;
		if (cursor->done == view->ranges[cursor->range].length)
		{
			cursor->range++;
			cursor->done = 0;
		}
	}
}

static void
take_extent(GstoreView *view)
{
	uint64 available;
	uint64 offset;

	if (!gstore_arena_alloc(GSTORE_ARENA_POOL,
							Max(view->bytes, RANGE_ALIGNMENT),
							&view->extent_offset, &view->extent_length,
							&available))
	{
		view->extent_length = 0;
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of host memory for reading from device %d",
						view->location.device),
				 errdetail("%llu bytes were wanted, %llu are free.",
						   (unsigned long long) view->bytes,
						   (unsigned long long) available),
				 errhint("Raise gstore_fdw.staging_memory or gstore_fdw.host_memory."),
				 errcontext("%s", view->purpose)));
	}
	offset = view->extent_offset;
	for (int i = 0; i < view->nranges; i++)
	{
		view->offsets[i] = offset;
		offset += GSTORE_ALIGN(view->ranges[i].length, RANGE_ALIGNMENT);
	}
}

static bool
take_windows_instead(void *view)
{
	return take_windows(view);
}

/*
 * Begin one request, or for more than fits into one window two, and give them
 * narrow windows; returns how many got one.  The slots come first: who has a
 * window waits for nothing but the keeper.  0: meanwhile there was room for all of
 * it, and the view has that.
 */
static int
begin_narrow(GstoreView *view, GstoreRequest *requests[2])
{
	int wanted = view->bytes > gstore_staging_narrow_bytes() ? 2 : 1;
	bool sendable = is_sendable(view, MAX_SENT + MAX_PARTS);

	for (int i = 0; i < wanted; i++)
	{
		requests[i] = gstore_request_begin(GSTORE_REQUEST_FETCH,
										   view->location.device);
		requests[i]->location = view->location;
		requests[i]->pinned = view->pinned;
	}
	if (!gstore_staging_take_turn(sendable ? take_windows_instead : NULL, view,
								  &requests[0]->staging_offset,
								  &requests[0]->staging_length))
	{
		while (wanted > 0)
			gstore_request_end(requests[--wanted]);
		return 0;
	}
	if (wanted == 2 &&
		!gstore_staging_take_narrow(false, &requests[1]->staging_offset,
									&requests[1]->staging_length))
		gstore_request_end(requests[--wanted]);
	return wanted;
}

/*
 * Bring everything through narrow windows.  With a second one, which is not
 * waited for, the next piece is on its way while this one is taken out.  False:
 * it was sent for after all.
 */
static bool
copy_through(GstoreView *view)
{
	GstoreRequest *requests[2];
	Cursor sent = {0, 0};
	Cursor taken = {0, 0};
	int nrequests;
	int under_way = 0;
	int turn = 0;

	take_extent(view);
	nrequests = begin_narrow(view, requests);
	if (nrequests == 0)
	{
		gstore_arena_free(view->extent_offset, view->extent_length);
		view->extent_length = 0;
		send_parts(view);
		return false;
	}
	GSTORE_FAULT_POINT("view-narrow");

	while (sent.range < view->nranges || under_way > 0)
	{
		while (sent.range < view->nranges && under_way < nrequests)
		{
			GstoreRequest *next = requests[(turn + under_way) % nrequests];

			fill_request(view, next, &sent);
			gstore_request_submit(next);
			under_way++;
		}
		gstore_request_wait(requests[turn], view->purpose);
		take_out(view, requests[turn], &taken);
		turn = (turn + 1) % nrequests;
		under_way--;
	}
	for (int i = 0; i < nrequests; i++)
		gstore_request_end(requests[i]);
	return true;
}

/* ---- waiting ---- */

void
gstore_view_wait(GstoreView *view)
{
	if (view->ready)
		return;
	if (view->nparts == 0 && !send_for(view, MAX_SENT + MAX_PARTS) &&
		copy_through(view))
	{
		view->ready = true;
		return;
	}

	for (int i = 0; i < view->nparts; i++)
	{
		Part *part = &view->parts[i];
		GstoreRequest *request = part->request;

		/* On failure the request is gone before the error is raised. */
		part->request = NULL;
		gstore_request_wait(request, view->purpose);
		part->staging_offset = request->staging_offset;
		part->staging_length = request->staging_length;
		request->staging_length = 0;
		gstore_request_end(request);
	}
	view->ready = true;
}

const void *
gstore_view_pointer(GstoreView *view, int range)
{
	Assert(view->ready && range < view->nranges);
	return gstore_arena_pointer(view->offsets[range]);
}
