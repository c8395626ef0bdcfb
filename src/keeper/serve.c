/*
 * serve.c
 *	  Requests and frees, from when they come to when they are done.
 *
 * Every request has a task, which goes through these states:
 *
 *	 UPLOAD		(HOLDING) -> ALLOCATING (-> STARVED -> ALLOCATING)
 *				-> (WAITING) -> COPYING, and where the
 *				copy failed or nobody wants it any more -> FREEING
 *	 WRITE		(WAITING) -> COPYING
 *	 FETCH		(WAITING) -> COPYING
 *	 RELEASE	(HOLDING) -> FREEING
 *	 EXPORT		answered at once
 *	 OPEN		OPENING, and where nobody wants it any more -> CLOSING
 *	 CLOSE		(HOLDING) -> CLOSING
 *	 LAUNCH		(HOLDING) -> ALLOCATING -> (WAITING) -> COPYING, and unless its
 *				memory is kept -> FREEING
 *	 RUN		(WAITING) -> COPYING
 *	 BARRIER	HOLDING
 *
 * ALLOCATING, FREEING, OPENING, CLOSING: a helper thread is at it.  STARVED: the
 * device had no memory, and waits for frees under way.  WAITING: for a stream.
 * COPYING: on a stream of its own, which says when it is done.  HOLDING: for
 * other tasks or frees to be done.
 *
 * Frees come first: what waits to be freed is handed to a helper thread, and
 * taken off the books, before an allocation is, so memory that a DROP freed is
 * there for the next upload.
 *
 * A request is completed only when no copy of it is under way any more, for
 * from then on its staging belongs to someone else.  When a device is lost
 * that cannot be known; so the process ends, and its successor completes them.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "compat.h"
#include "device/arena.h"
#include "fault.h"
#include "keeper/helper.h"
#include "keeper/keeper.h"
#include "keeper/serve.h"
#include "request/devices.h"
#include "request/request.h"

/* Requests that copy at once, per device. */
#define STREAMS 16

/* Frees from the graveyard that are under way at once. */
#define FREE_JOBS 256

typedef enum TaskState
{
	TASK_ALLOCATING,
	TASK_STARVED,
	TASK_WAITING,
	TASK_COPYING,
	TASK_FREEING,
	TASK_OPENING,
	TASK_CLOSING,
	TASK_HOLDING
} TaskState;

typedef struct Task
{
	dlist_node node; /* in tasks */
	GstoreRequest *request;
	TaskState state;
	GstoreStream *stream;	 /* while COPYING */
	GstoreDeviceError error; /* the first that happened */
	uint64 frees_before;	 /* BARRIER: frees to wait for; UINT64_MAX: not
								 * yet known.  STARVED: likewise.
								 * ALLOCATING: frees done when it began */
	GstoreJob job;
} Task;

typedef struct Streams
{
	int nfree;
	GstoreStream *free[STREAMS];
} Streams;

static const GstoreDeviceOps *device_ops;
static GstoreDevices *devices;
static Task *all_tasks;								/* one for each slot of the pool */
static dlist_head tasks = DLIST_STATIC_INIT(tasks); /* under way, oldest first */
static Streams streams[GSTORE_MAX_DEVICES];
static GstoreJob free_jobs[FREE_JOBS];
static GstoreJob *idle_free_jobs;
static uint64 frees_issued = 0;
static uint64 frees_done = 0;

static void lose(int device, const GstoreDeviceError *error)
	pg_attribute_noreturn();

/* ---- small things ---- */

static void
set_error(GstoreDeviceError *error, GstoreDeviceErrorKind kind,
		  const char *what, const char *text)
{
	memset(error, 0, sizeof(*error));
	error->kind = kind;
	strlcpy(error->what, what, sizeof(error->what));
	strlcpy(error->text, text, sizeof(error->text));
}

/* The device is gone, and with it all it held: the next keeper starts over. */
static void
lose(int device, const GstoreDeviceError *error)
{
	ereport(FATAL,
			(errcode(ERRCODE_IO_ERROR),
			 errmsg("device %d was lost", device),
			 errdetail("%.64s: %.192s.", error->what, error->text),
			 errhint("The keeper restarts; tables the devices held must be loaded again.")));
}

/* Is this where something lies now? */
static bool
is_present(const GstoreLocation *location)
{
	return location->kind != GSTORE_LOCATION_ARENA &&
		   location->device < devices->count &&
		   gstore_location_alive(location->device, location->epoch,
								 location->kind);
}

/* ---- frees ---- */

/* Hand it to a helper. */
static void
submit_free(GstoreJob *job, GstoreLocation *location)
{
	job->kind = GSTORE_JOB_FREE;
	job->device = location->device;
	job->address = location->address;
	location->kind = GSTORE_LOCATION_NONE;
	frees_issued++;
	gstore_helper_submit(job);
}

/* Take what a request allocated off the books. */
static void
uncharge(const GstoreLocation *location)
{
	gstore_device_uncharge(&devices->slots[location->device],
						   GSTORE_LOCATION_DEVICE, location->epoch, location->length);
}

/* Free what a request allocated, and is still on the books. */
static void
free_allocation(Task *task)
{
	GstoreLocation *location = &task->request->location;

	task->state = TASK_FREEING;
	uncharge(location);
	submit_free(&task->job, location);
}

/* The same, without anybody waiting for it; false: too many are under way. */
static bool
free_in_passing(GstoreLocation *location)
{
	GstoreJob *job = idle_free_jobs;

	if (job == NULL)
		return false;
	idle_free_jobs = job->next;
	job->task = NULL;
	uncharge(location);
	submit_free(job, location);
	return true;
}

/* Hand what waits to be freed, and is off the books, to a helper; false when
 * more waits than it may have at once. */
static bool
free_the_dead(void)
{
	GstoreLocation location;

	if (gstore_keeper_hooks.next_free == NULL)
		return true;
	if (device_ops == NULL)
	{
		while (gstore_keeper_hooks.next_free(&location))
			;
		return true;
	}
	while (idle_free_jobs != NULL)
	{
		GstoreJob *job = idle_free_jobs;

		if (!gstore_keeper_hooks.next_free(&location))
			return true;
		if (!is_present(&location))
			continue;
		idle_free_jobs = job->next;
		job->task = NULL;
		submit_free(job, &location);
	}
	return false;
}

/* ---- the end of a task ---- */

/* Have a helper close what an open opened. */
static void
submit_close(Task *task)
{
	GstoreLocation *location = &task->request->location;

	task->state = TASK_CLOSING;
	task->job.kind = GSTORE_JOB_CLOSE;
	task->job.device = location->device;
	task->job.address = location->address;
	location->kind = GSTORE_LOCATION_NONE;
	gstore_helper_submit(&task->job);
}

/* Answer, and forget the task; an allocation nobody wants is freed first, and
 * what was opened is closed. */
static void
finish(Task *task)
{
	GstoreRequest *request = task->request;

	GSTORE_FAULT_POINT("keeper-finish");
	request->error = task->error;
	if (gstore_request_complete(request))
	{
		dlist_delete(&task->node);
		return;
	}
	if (is_present(&request->location) &&
		(request->kind == GSTORE_REQUEST_UPLOAD ||
		 request->kind == GSTORE_REQUEST_LAUNCH))
	{
		free_allocation(task);
		return;
	}
	if (is_present(&request->location) &&
		request->kind == GSTORE_REQUEST_OPEN)
	{
		submit_close(task);
		return;
	}
	dlist_delete(&task->node);
	gstore_request_recycle(request);
}

static void
fail(Task *task, GstoreDeviceErrorKind kind, const char *what,
	 const char *text)
{
	set_error(&task->error, kind, what, text);
	finish(task);
}

/* The copies are done, or were never begun. */
static void
end_copy(Task *task)
{
	GstoreRequest *request = task->request;

	/* The free may have to wait for everything else on the device. */
	if ((request->kind == GSTORE_REQUEST_LAUNCH &&
		 !(request->keeps_memory && task->error.kind == GSTORE_DEVICE_OK) &&
		 !free_in_passing(&request->location)) ||
		(task->error.kind != GSTORE_DEVICE_OK &&
		 request->kind == GSTORE_REQUEST_UPLOAD))
	{
		free_allocation(task);
		return;
	}
	finish(task);
}

/* ---- copying ---- */

static bool
copy_segment(Task *task, bool to_host, uint64 device_offset,
			 uint64 staging_offset, uint64 length)
{
	GstoreRequest *request = task->request;
	GstoreDeviceAddress address = request->location.address + device_offset;
	char *staging = gstore_arena_pointer(request->staging_offset +
										 staging_offset);

	if (length == 0)
		return true;
	if (to_host)
		return device_ops->copy_to_host(task->stream, staging, address,
										length, &task->error);
	return device_ops->copy_to_device(task->stream, address, staging, length,
									  &task->error);
}

/* An allocation is larger than its image, and may have held another one: who
 * opens it is not to find that. */
static bool
clear_rest(Task *task)
{
	const GstoreLocation *location = &task->request->location;
	uint64 bytes = task->request->bytes;

	return bytes == location->length ||
		   device_ops->fill(task->stream, location->address + bytes, 0,
							location->length - bytes, &task->error);
}

/* Do all segments lie within the allocation and the window? */
static bool
segments_fit(const GstoreRequest *request)
{
	if (request->nsegments < 0 ||
		request->nsegments > GSTORE_REQUEST_SEGMENTS)
		return false;
	for (int i = 0; i < request->nsegments; i++)
	{
		const GstoreSegment *segment = &request->segments[i];

		if (segment->device_offset > request->location.length ||
			segment->length >
				request->location.length - segment->device_offset ||
			segment->staging_offset > request->staging_length ||
			segment->length >
				request->staging_length - segment->staging_offset)
			return false;
	}
	return true;
}

/* What a kernel expects to be zero. */
static bool
clear_some(Task *task)
{
	const GstoreRequest *request = task->request;

	return request->zero_bytes == 0 ||
		   device_ops->fill(task->stream,
							request->location.address + request->zero_at, 0,
							request->zero_bytes, &task->error);
}

/* What a kernel is told, the kernel, and what it tells. */
static bool
launch(Task *task)
{
	GstoreRequest *request = task->request;
	bool good;

	GSTORE_FAULT_POINT("keeper-launch");
	if (!segments_fit(request) ||
		request->zero_at > request->location.length ||
		request->zero_bytes > request->location.length - request->zero_at)
	{
		set_error(&task->error, GSTORE_DEVICE_INVALID, "keeper",
				  "a segment lies outside its allocation or window");
		return false;
	}
	good = copy_segment(task, false, 0, 0, request->bytes) &&
		   clear_some(task) &&
		   device_ops->launch(task->stream, request->kernel,
							  request->location.address, request->blocks,
							  request->shared_bytes, &task->error);
	for (int i = 0; good && i < request->nsegments; i++)
		good = copy_segment(task, true, request->segments[i].device_offset,
							request->segments[i].staging_offset,
							request->segments[i].length);
	return good;
}

/* Queue the copies of a task that has a stream.  Where one is refused, those
 * before it still have to end. */
static void
queue_copies(Task *task)
{
	GstoreRequest *request = task->request;
	GstoreDeviceError error;
	bool good = true;

	task->state = TASK_COPYING;
	task->error.kind = GSTORE_DEVICE_OK;
	if (request->kind == GSTORE_REQUEST_UPLOAD)
		good = copy_segment(task, false, 0, 0,
							request->staging_length > 0 ? request->bytes : 0) &&
			   clear_rest(task);
	else if (request->kind == GSTORE_REQUEST_LAUNCH ||
			 request->kind == GSTORE_REQUEST_RUN)
		good = launch(task);
	else
		for (int i = 0; good && i < request->nsegments; i++)
			good = copy_segment(task, request->kind == GSTORE_REQUEST_FETCH,
								request->segments[i].device_offset,
								request->segments[i].staging_offset,
								request->segments[i].length);
	if (good)
		task->error.kind = GSTORE_DEVICE_OK;
	else if (task->error.kind == GSTORE_DEVICE_LOST)
		lose(request->device, &task->error);
	if (!device_ops->stream_notify(task->stream, &error) &&
		error.kind == GSTORE_DEVICE_LOST)
		lose(request->device, &error);
}

/* Begin to copy, as soon as there is a stream. */
static void
begin_copy(Task *task)
{
	Streams *of_device = &streams[task->request->device];

	if (of_device->nfree == 0)
	{
		task->state = TASK_WAITING;
		return;
	}
	GSTORE_FAULT_POINT("keeper-copy");
	task->stream = of_device->free[--of_device->nfree];
	queue_copies(task);
}

static void
give_stream(Task *task)
{
	Streams *of_device = &streams[task->request->device];

	of_device->free[of_device->nfree++] = task->stream;
	task->stream = NULL;
}

/* ---- the beginning of a task ---- */

static void
submit_alloc(Task *task)
{
	task->state = TASK_ALLOCATING;
	task->frees_before = frees_done;
	task->job.kind = GSTORE_JOB_ALLOC;
	task->job.device = task->request->device;
	task->job.bytes = task->request->wanted;
	gstore_helper_submit(&task->job);
}

static void
begin_upload(Task *task)
{
	GstoreRequest *request = task->request;
	GstoreDeviceSlot *slot = &devices->slots[request->device];
	bool all_freed = free_the_dead();

	request->wanted = GSTORE_ALIGN(Max(request->wanted, request->bytes),
								   GSTORE_DEVICE_GRANULE);
	if (request->kind == GSTORE_REQUEST_LAUNCH &&
		request->epoch != pg_atomic_read_u32(&slot->epoch))
		fail(task, GSTORE_DEVICE_LOST, "keeper",
			 "what is asked for was lost with an earlier epoch");
	else if (request->bytes == 0 ||
			 (request->staging_length > 0 &&
			  request->bytes > request->staging_length))
		fail(task, GSTORE_DEVICE_INVALID, "upload", "wrong length");
	else if (!gstore_device_charge(slot, GSTORE_LOCATION_DEVICE, request->wanted,
								   &request->available))
	{
		/* More may be waiting to be freed than is handed over at a time. */
		if (all_freed)
			fail(task, GSTORE_DEVICE_OUT_OF_MEMORY, "upload",
				 "the limit is reached");
		else
			task->state = TASK_HOLDING;
	}
	else
	{
		GSTORE_FAULT_POINT("keeper-alloc");
		submit_alloc(task);
	}
}

static bool
is_same(const GstoreLocation *one, const GstoreLocation *other)
{
	return one->kind == other->kind && one->device == other->device &&
		   one->address == other->address;
}

/* Nothing else that is under way works on these bytes. */
static bool
is_unused(Task *task)
{
	const GstoreLocation *location = &task->request->location;
	dlist_iter iter;

	dlist_foreach(iter, &tasks)
	{
		Task *other = dlist_container(Task, node, iter.cur);

		if (other != task && other->state != TASK_HOLDING &&
			(is_same(&other->request->location, location) ||
			 is_same(&other->request->written, location)))
			return false;
	}
	return true;
}

static void
try_release(Task *task)
{
	if (!is_present(&task->request->location))
		finish(task);
	else if (is_unused(task))
		free_allocation(task);
}

static void
try_close(Task *task)
{
	if (!is_present(&task->request->location))
		finish(task);
	else if (is_unused(task))
		submit_close(task);
}

static bool
everything_before_is_done(Task *task)
{
	dlist_iter iter;

	if (frees_done < task->frees_before)
		return false;
	dlist_foreach(iter, &tasks)
	{
		Task *other = dlist_container(Task, node, iter.cur);

		if (other->request->ticket < task->request->ticket &&
			other->request->kind != GSTORE_REQUEST_BARRIER)
			return false;
	}
	return true;
}

/* What a kernel is told, and what it works on. */
static void
begin_run(Task *task)
{
	GstoreRequest *request = task->request;

	if (!is_present(&request->location) ||
		(request->written.kind != GSTORE_LOCATION_NONE &&
		 !is_present(&request->written)))
		fail(task, GSTORE_DEVICE_LOST, "keeper",
			 "what is asked for was lost with an earlier epoch");
	else if (request->bytes == 0 || request->bytes > request->staging_length ||
			 request->bytes > request->location.length)
		fail(task, GSTORE_DEVICE_INVALID, "keeper", "wrong length");
	else
		begin_copy(task);
}

/* The driver answers at once: a handle is made of what it knows already. */
static void
export_allocation(Task *task)
{
	GstoreRequest *request = task->request;

	if (!is_present(&request->location))
		fail(task, GSTORE_DEVICE_LOST, "keeper",
			 "what is asked for was lost with an earlier epoch");
	else
	{
		if (device_ops->export_handle(request->device,
									  request->location.address,
									  &request->handle, &task->error))
			task->error.kind = GSTORE_DEVICE_OK;
		else if (task->error.kind == GSTORE_DEVICE_LOST)
			lose(request->device, &task->error);
		finish(task);
	}
}

static void
begin_open(Task *task)
{
	GSTORE_FAULT_POINT("keeper-open");
	task->state = TASK_OPENING;
	task->job.kind = GSTORE_JOB_OPEN;
	task->job.device = task->request->device;
	task->job.handle = task->request->handle;
	gstore_helper_submit(&task->job);
}

static void
begin(GstoreRequest *request)
{
	Task *task = &all_tasks[gstore_request_index(request)];

	memset(task, 0, sizeof(*task));
	task->request = request;
	task->job.task = task;
	task->state = TASK_HOLDING;
	dlist_push_tail(&tasks, &task->node);

	if (request->kind == GSTORE_REQUEST_BARRIER)
	{
		task->frees_before = PG_UINT64_MAX;
		return;
	}
	if (device_ops == NULL)
	{
		fail(task, GSTORE_DEVICE_UNSUPPORTED, "keeper",
			 "the device is shared memory, which needs no keeper");
		return;
	}
	if (request->device < 0 || request->device >= devices->count)
	{
		fail(task, GSTORE_DEVICE_INVALID, "keeper", "no such device");
		return;
	}
	switch (request->kind)
	{
		case GSTORE_REQUEST_UPLOAD:
		case GSTORE_REQUEST_LAUNCH:
			begin_upload(task);
			break;
		case GSTORE_REQUEST_WRITE:
		case GSTORE_REQUEST_FETCH:
			if (!is_present(&request->location))
				fail(task, GSTORE_DEVICE_LOST, "keeper",
					 "what is asked for was lost with an earlier epoch");
			else if (!segments_fit(request))
				fail(task, GSTORE_DEVICE_INVALID, "keeper",
					 "a segment lies outside its allocation or window");
			else
				begin_copy(task);
			break;
		case GSTORE_REQUEST_RUN:
			begin_run(task);
			break;
		case GSTORE_REQUEST_RELEASE:
			try_release(task);
			break;
		case GSTORE_REQUEST_EXPORT:
			export_allocation(task);
			break;
		case GSTORE_REQUEST_OPEN:
			begin_open(task);
			break;
		case GSTORE_REQUEST_CLOSE:
			try_close(task);
			break;
		case GSTORE_REQUEST_BARRIER:
			break;
	}
}

/* ---- going on ---- */

static void
allocated(Task *task)
{
	GstoreRequest *request = task->request;
	GstoreJob *job = &task->job;
	GstoreDeviceSlot *slot = &devices->slots[request->device];

	/* What is off the books may not have been freed yet: then it waits for all
	 * that is under way.  No frees, no other attempt. */
	if (!job->good && job->error.kind == GSTORE_DEVICE_OUT_OF_MEMORY &&
		!request->abandoned)
	{
		(void) free_the_dead();
		if (frees_issued > task->frees_before)
		{
			task->state = TASK_STARVED;
			task->frees_before = frees_issued;
			return;
		}
	}
	if (!job->good)
	{
		gstore_device_uncharge(slot, GSTORE_LOCATION_DEVICE,
							   pg_atomic_read_u32(&slot->epoch),
							   request->wanted);
		if (job->error.kind == GSTORE_DEVICE_LOST)
			lose(request->device, &job->error);
		request->available = job->available;
		task->error = job->error;
		finish(task);
		return;
	}
	request->location.kind = GSTORE_LOCATION_DEVICE;
	request->location.device = request->device;
	request->location.epoch = pg_atomic_read_u32(&slot->epoch);
	request->location.address = job->address;
	request->location.length = request->wanted;
	if (!request->abandoned)
		begin_copy(task);
	else
		finish(task);
}

static void
freed(GstoreJob *job)
{
	Task *task = job->task;

	frees_done++;
	if (!job->good)
	{
		if (job->error.kind == GSTORE_DEVICE_LOST)
			lose(job->device, &job->error);
		ereport(WARNING,
				(errmsg("memory of device %d could not be freed", job->device),
				 errdetail("%.64s: %.192s.", job->error.what,
						   job->error.text)));
	}
	if (task != NULL)
		finish(task);
	else
	{
		job->next = idle_free_jobs;
		idle_free_jobs = job;
	}
}

static void
opened(Task *task)
{
	GstoreRequest *request = task->request;
	GstoreJob *job = &task->job;

	if (job->good)
	{
		request->location.kind = GSTORE_LOCATION_OPENED;
		request->location.device = request->device;
		request->location.epoch =
			pg_atomic_read_u32(&devices->slots[request->device].epoch);
		request->location.address = job->address;
		request->location.length = job->bytes;
	}
	else
	{
		if (job->error.kind == GSTORE_DEVICE_LOST)
			lose(request->device, &job->error);
		task->error = job->error;
	}
	finish(task);
}

static void
closed(Task *task)
{
	GstoreJob *job = &task->job;

	if (!job->good)
	{
		if (job->error.kind == GSTORE_DEVICE_LOST)
			lose(job->device, &job->error);
		ereport(WARNING,
				(errmsg("memory of another process, on device %d, could not be closed",
						job->device),
				 errdetail("%.64s: %.192s.", job->error.what,
						   job->error.text)));
	}
	finish(task);
}

/* Look at what every task waits for. */
static void
go_on(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &tasks)
	{
		Task *task = dlist_container(Task, node, iter.cur);
		GstoreDeviceError error;
		bool done;

		switch (task->state)
		{
			case TASK_STARVED:
				if (task->request->abandoned)
					allocated(task);
				else if (frees_done >= task->frees_before)
					submit_alloc(task);
				break;
			case TASK_WAITING:
				begin_copy(task);
				break;
			case TASK_COPYING:
				/* Whether copies of a failing stream still run, only the end
				 * of the process can tell. */
				if (!device_ops->stream_query(task->stream, &done, &error))
					lose(task->request->device, &error);
				if (done)
				{
					give_stream(task);
					end_copy(task);
				}
				break;
			case TASK_HOLDING:
				if (task->request->kind == GSTORE_REQUEST_UPLOAD ||
					task->request->kind == GSTORE_REQUEST_LAUNCH)
					begin_upload(task);
				else if (task->request->kind == GSTORE_REQUEST_RELEASE)
					try_release(task);
				else if (task->request->kind == GSTORE_REQUEST_CLOSE)
					try_close(task);
				else if (everything_before_is_done(task))
					finish(task);
				break;
			case TASK_ALLOCATING:
			case TASK_FREEING:
			case TASK_OPENING:
			case TASK_CLOSING:
				break;
		}
	}
}

/* From now on barriers know which frees came before them. */
static void
mark_barriers(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &tasks)
	{
		Task *task = dlist_container(Task, node, iter.cur);

		if (task->request->kind == GSTORE_REQUEST_BARRIER &&
			task->frees_before == PG_UINT64_MAX)
			task->frees_before = frees_issued;
	}
}

void
gstore_serve(void)
{
	GstoreJob *job;
	GstoreRequest *request;

	while ((job = gstore_helper_finished()) != NULL)
	{
		switch (job->kind)
		{
			case GSTORE_JOB_ALLOC:
				allocated(job->task);
				break;
			case GSTORE_JOB_FREE:
				freed(job);
				break;
			case GSTORE_JOB_OPEN:
				opened(job->task);
				break;
			case GSTORE_JOB_CLOSE:
				closed(job->task);
				break;
		}
	}
	go_on();
	(void) free_the_dead();
	while ((request = gstore_request_next()) != NULL)
		begin(request);

	/* What died before a barrier came is in the graveyard by now. */
	if (free_the_dead())
		mark_barriers();
	go_on();
}

bool
gstore_serve_is_busy(void)
{
	return !dlist_is_empty(&tasks);
}

void
gstore_serve_start(const GstoreDeviceOps *ops)
{
	device_ops = ops;
	devices = gstore_devices_nowait();
	all_tasks = MemoryContextAllocZero(TopMemoryContext,
									   gstore_request_slots() * sizeof(Task));
	for (int i = 0; i < FREE_JOBS; i++)
	{
		free_jobs[i].next = idle_free_jobs;
		idle_free_jobs = &free_jobs[i];
	}
	if (ops == NULL)
		return;
	for (int i = 0; i < devices->count; i++)
	{
		Streams *of_device = &streams[i];

		while (of_device->nfree < STREAMS)
		{
			GstoreDeviceError error;

			if (!ops->stream_create(i, &of_device->free[of_device->nfree],
									&error))
				ereport(FATAL,
						(errcode(ERRCODE_SYSTEM_ERROR),
						 errmsg("no stream could be made on device %d", i),
						 errdetail("%.64s: %.192s.", error.what, error.text)));
			of_device->nfree++;
		}
	}
}
