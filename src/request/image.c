/*
 * image.c
 *	  Memory for a new image, and the image's way to its device.
 *
 * An image is written in one of three places:
 *
 *	 in the arena	where it stays: the device is the arena, or it is small and
 *					there is room
 *	 staged			a roomy staging window, from which it is uploaded at once
 *	 pooled			an extent of the arena's pool, from which it is copied
 *					piece by piece into narrow staging windows and from there
 *					to the device: it is larger than a roomy window, or there
 *					is no room for one now
 *
 * Where the device is the arena, an image can grow in memory that was reserved for
 * all of it ahead; what it does not need is given back.
 *
 * Reserving waits for nothing but, when memory is short, for the keeper to free
 * what is dead; placing waits for the keeper, and for a narrow window, but for a
 * staged image that was sent some time before.  The device's memory is taken when
 * the image is sent or placed.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "device/arena.h"
#include "fault.h"
#include "request/devices.h"
#include "request/request.h"
#include "request/shelf.h"
#include "request/staging.h"
#include "request/view.h"

/* Of what is free, an image may have one part in so many before it is there. */
#define SHARE_AHEAD 4

typedef enum Place
{
	IN_ARENA,
	STAGED,
	POOLED
} Place;

struct GstoreImageSpace
{
	GstoreHold *hold;
	Place place;
	int device;
	uint32 epoch;			/* of the device; IN_ARENA only */
	uint64 bytes;			/* of the image */
	uint64 offset;			/* the extent or window */
	uint64 length;			/* 0: it was passed on */
	GstoreShelf *shelf;		/* from which it is cut, where it stays in the
							 * arena; or NULL */
	GstoreRequest *request; /* STAGED: that copies it; NULL: none yet */
	char *purpose;
};

static MemoryContext spaces_context = NULL;

/* ---- letting go ---- */

bool
gstore_location_free(GstoreLocation location)
{
	GstoreDevices *devices = gstore_devices_nowait();

	switch ((GstoreLocationKind) location.kind)
	{
		case GSTORE_LOCATION_NONE:
			break;
		case GSTORE_LOCATION_ARENA:
			if (gstore_shelf_is_piece(location.length))
				gstore_shelf_free(location.address, location.length);
			else
				gstore_arena_free(location.address, location.length);
			gstore_device_uncharge(&devices->slots[location.device],
								   GSTORE_LOCATION_ARENA, location.epoch,
								   location.length);
			break;
		case GSTORE_LOCATION_DEVICE:

			/* With the device's epoch ends what it held. */
			return !gstore_location_alive(location.device, location.epoch,
										  location.kind);
		case GSTORE_LOCATION_OPENED:
			Assert(false); /* region.h closes it */
			break;
	}
	return true;
}

void
gstore_location_uncharge(GstoreLocation location)
{
	GstoreDevices *devices = gstore_devices_nowait();

	if (location.kind == GSTORE_LOCATION_DEVICE && devices != NULL)
		gstore_device_uncharge(&devices->slots[location.device],
							   GSTORE_LOCATION_DEVICE, location.epoch,
							   location.length);
}

/* Give back the memory the image was written to. */
static void
give_memory(GstoreImageSpace *space)
{
	GstoreLocation location = {0};

	if (space->length == 0)
		return;
	switch (space->place)
	{
		case IN_ARENA:
			location.kind = GSTORE_LOCATION_ARENA;
			location.device = space->device;
			location.epoch = space->epoch;
			location.address = space->offset;
			location.length = space->length;
			(void) gstore_location_free(location);
			break;
		case STAGED:
			gstore_staging_give(space->offset, space->length);
			break;
		case POOLED:
			gstore_arena_free(space->offset, space->length);
			break;
	}
	space->length = 0;
}

/* The hold's release callback. */
static void
release_space(void *what)
{
	GstoreImageSpace *space = what;

	give_memory(space);
	pfree(space);
}

/* ---- reserving ---- */

static GstoreImageSpace *
create_space(int device, uint64 bytes, GstoreShelf *shelf, const char *purpose)
{
	Size purpose_bytes = strlen(purpose) + 1;
	GstoreHold *hold;
	GstoreImageSpace *space;

	if (spaces_context == NULL)
		spaces_context = AllocSetContextCreate(TopMemoryContext,
											   "gstore_fdw image spaces",
											   ALLOCSET_SMALL_SIZES);
	hold = gstore_hold_prepare("gstore_fdw image space", release_space);
	space = MemoryContextAllocZero(spaces_context,
								   sizeof(GstoreImageSpace) + purpose_bytes);
	space->purpose = (char *) (space + 1);
	memcpy(space->purpose, purpose, purpose_bytes);
	space->device = device;
	space->bytes = bytes;
	space->shelf = bytes <= GSTORE_SHELF_LARGEST ? shelf : NULL;
	space->hold = hold;
	gstore_hold_take(hold, space);
	return space;
}

/* What the image takes of the arena. */
static uint64
arena_bytes(const GstoreImageSpace *space)
{
	return space->shelf != NULL
			   ? GSTORE_ALIGN(space->bytes, GSTORE_SHELF_UNIT)
			   : GSTORE_ALIGN(space->bytes, GSTORE_ARENA_PAGE);
}

/* A small image is cut from the shelf, if there is one. */
static bool
take_arena(GstoreImageSpace *space, uint64 wanted, uint64 *available)
{
	uint64 length;

	if (space->shelf != NULL)
		return gstore_shelf_cut(space->shelf, wanted, &space->offset,
								available);
	return gstore_arena_alloc(GSTORE_ARENA_POOL, wanted, &space->offset,
							  &length, available);
}

/* Charge the device, and take the memory; false, with *available. */
static bool
try_arena(GstoreImageSpace *space, GstoreDeviceSlot *slot, uint64 *available)
{
	uint64 wanted = arena_bytes(space);

	space->place = IN_ARENA;
	space->epoch = pg_atomic_read_u32(&slot->epoch);
	if (!gstore_device_charge(slot, GSTORE_LOCATION_ARENA, wanted, available))
		return false;
	if (take_arena(space, wanted, available))
	{
		space->length = wanted;
		return true;
	}
	gstore_device_uncharge(slot, GSTORE_LOCATION_ARENA, space->epoch, wanted);
	return false;
}

/* The arena is the device: its image has no other place. */
static void
reserve_on_host(GstoreImageSpace *space, GstoreDeviceSlot *slot)
{
	uint64 available;

	if (try_arena(space, slot, &available))
		return;
	gstore_request_make_room();
	if (!try_arena(space, slot, &available))
		gstore_request_raise_memory(space->device, arena_bytes(space),
									available, space->purpose);
}

static bool
try_staging(GstoreImageSpace *space, uint64 *available)
{
	space->place = STAGED;
	if (gstore_staging_take_roomy(space->bytes, &space->offset,
								  &space->length))
		return true;
	space->place = POOLED;
	if (gstore_arena_alloc(GSTORE_ARENA_POOL, space->bytes, &space->offset,
						   &space->length, available))
		return true;
	space->length = 0;
	return false;
}

static void
reserve_staging(GstoreImageSpace *space)
{
	uint64 available;

	if (try_staging(space, &available))
		return;
	gstore_request_make_room();
	if (try_staging(space, &available))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of host memory for loading device %d", space->device),
			 errdetail("%llu bytes were wanted, %llu are free.",
					   (unsigned long long) space->bytes,
					   (unsigned long long) available),
			 errhint("Lower gstore_fdw.chunk_size, or raise gstore_fdw.staging_memory or gstore_fdw.host_memory."),
			 errcontext("%s", space->purpose)));
}

static GstoreImageSpace *
reserve(int device, uint64 bytes, GstoreShelf *shelf, bool shareable,
		const char *purpose)
{
	GstoreDeviceSlot *slot = gstore_device_slot(device);
	GstoreImageSpace *space = create_space(device, bytes, shelf, purpose);
	uint64 available;

	/* A small image goes to the GPU when the arena has no room for it. */
	if (gstore_devices()->on_host)
		reserve_on_host(space, slot);
	else if (shareable || bytes >= GSTORE_SMALL_IMAGE ||
			 !try_arena(space, slot, &available))
		reserve_staging(space);
	GSTORE_FAULT_POINT("image-reserve");
	return space;
}

GstoreImageSpace *
gstore_image_reserve(int device, uint64 bytes, GstoreShelf *shelf,
					 const char *purpose)
{
	return reserve(device, bytes, shelf, false, purpose);
}

GstoreImageSpace *
gstore_image_reserve_shareable(int device, uint64 bytes, const char *purpose)
{
	return reserve(device, bytes, NULL, true, purpose);
}

GstoreImageSpace *
gstore_image_reserve_ahead(int device, uint64 bytes, const char *purpose)
{
	GstoreDeviceSlot *slot = gstore_device_slot(device);
	GstoreImageSpace *space;
	GstoreArenaUsage usage;
	uint64 available;

	if (!gstore_devices()->on_host)
		return NULL;
	gstore_arena_usage(GSTORE_ARENA_POOL, &usage);
	if ((usage.total - usage.used) / SHARE_AHEAD < bytes)
		return NULL;
	space = create_space(device, bytes, NULL, purpose);
	if (!try_arena(space, slot, &available))
	{
		gstore_hold_release(space->hold);
		return NULL;
	}
	GSTORE_FAULT_POINT("image-reserve");
	return space;
}

void
gstore_image_trim(GstoreImageSpace *space, uint64 bytes)
{
	uint64 kept = GSTORE_ALIGN(bytes, GSTORE_ARENA_PAGE);
	GstoreLocation rest = {0};

	Assert(space->place == IN_ARENA && kept <= space->length);
	space->bytes = bytes;
	if (kept == space->length)
		return;
	rest.kind = GSTORE_LOCATION_ARENA;
	rest.device = space->device;
	rest.epoch = space->epoch;
	rest.address = space->offset + kept;
	rest.length = space->length - kept;
	space->length = kept;
	(void) gstore_location_free(rest);
}

void
gstore_image_give_up(GstoreImageSpace *space)
{
	gstore_hold_release(space->hold);
}

void *
gstore_image_memory(GstoreImageSpace *space)
{
	void *memory = gstore_arena_pointer(space->offset);

	if (space->length > 0)
		gstore_arena_map(space->offset, space->length);
	return memory;
}

/* ---- placing ---- */

/* Have an upload done that was submitted; where the device is full, once more
 * after what can be freed was freed. */
static void
finish_upload(GstoreRequest *request, const char *purpose)
{
	gstore_request_await(request);
	if (request->error.kind == GSTORE_DEVICE_OUT_OF_MEMORY)
	{
		gstore_request_make_room();
		gstore_request_submit(request);
	}
	gstore_request_wait(request, purpose);
}

/* The window becomes the request's, which copies all of it. */
void
gstore_image_send(GstoreImageSpace *space)
{
	GstoreRequest *request;

	if (space->place != STAGED || space->request != NULL)
		return;
	request = gstore_request_begin(GSTORE_REQUEST_UPLOAD, space->device);
	request->bytes = space->bytes;
	request->staging_offset = space->offset;
	request->staging_length = space->length;
	space->length = 0;
	gstore_request_submit(request);
	space->request = request;
}

bool
gstore_image_is_there(const GstoreImageSpace *space)
{
	return space->request == NULL || gstore_request_is_done(space->request);
}

static GstoreLocation
place_staged(GstoreImageSpace *space)
{
	GstoreRequest *request;
	GstoreLocation location;

	gstore_image_send(space);
	request = space->request;
	finish_upload(request, space->purpose);
	location = request->location;
	request->location.kind = GSTORE_LOCATION_NONE;
	gstore_request_end(request);
	return location;
}

/* Send the pieces of a pooled image to its allocation.  With a second narrow
 * window, which is not waited for, a piece is copied while another travels. */
static void
write_pieces(GstoreImageSpace *space, GstoreLocation location)
{
	const char *image = gstore_arena_pointer(space->offset);
	GstoreRequest *requests[2];
	bool under_way[2] = {false, false};
	int nrequests = 2;
	int turn = 0;

	for (int i = 0; i < 2; i++)
		requests[i] = gstore_request_begin(GSTORE_REQUEST_WRITE,
										   space->device);
	for (int i = 0; i < 2; i++)
	{
		requests[i]->location = location;
		if (gstore_staging_take_narrow(i == 0, &requests[i]->staging_offset,
									   &requests[i]->staging_length))
			continue;
		gstore_request_end(requests[i]);
		nrequests = i;
		break;
	}
	if (nrequests == 0)
		elog(ERROR, "the staging area is not open");
	GSTORE_FAULT_POINT("image-narrow");

	for (uint64 done = 0; done < space->bytes;)
	{
		GstoreRequest *request = requests[turn];
		uint64 piece = Min(space->bytes - done, request->staging_length);

		if (under_way[turn])
			gstore_request_wait(request, space->purpose);
		memcpy(gstore_arena_pointer(request->staging_offset), image + done,
			   piece);
		request->nsegments = 1;
		request->segments[0].device_offset = done;
		request->segments[0].staging_offset = 0;
		request->segments[0].length = piece;
		gstore_request_submit(request);
		under_way[turn] = true;
		turn = (turn + 1) % nrequests;
		done += piece;
	}
	for (int i = 0; i < nrequests; i++)
	{
		if (under_way[i])
			gstore_request_wait(requests[i], space->purpose);
		gstore_request_end(requests[i]);
	}
}

/* An upload without staging only allocates; it stays ours, and lets go of the
 * allocation on every error, until all pieces have arrived. */
static GstoreLocation
place_pooled(GstoreImageSpace *space)
{
	GstoreRequest *request;
	GstoreLocation location;

	request = gstore_request_begin(GSTORE_REQUEST_UPLOAD, space->device);
	request->bytes = space->bytes;
	gstore_request_submit(request);
	finish_upload(request, space->purpose);
	location = request->location;
	write_pieces(space, location);
	request->location.kind = GSTORE_LOCATION_NONE;
	gstore_request_end(request);
	return location;
}

GstoreLocation
gstore_image_place(GstoreImageSpace *space)
{
	GstoreLocation location = {0};

	GSTORE_FAULT_POINT("image-place");
	switch (space->place)
	{
		case IN_ARENA:
			location.kind = GSTORE_LOCATION_ARENA;
			location.device = space->device;
			location.epoch = space->epoch;
			location.address = space->offset;
			location.length = space->length;
			space->length = 0;
			break;
		case STAGED:
			location = place_staged(space);
			break;
		case POOLED:
			location = place_pooled(space);
			break;
	}
	gstore_hold_release(space->hold);
	return location;
}
