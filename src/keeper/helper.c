/*
 * helper.c
 *	  The keeper's helper threads.
 *
 * Allocating and freeing device memory, opening and closing what other processes
 * have, may wait until the device is idle; on threads of their own that holds up
 * no copy.  What gives memory back has another thread than what asks for it: a
 * free waits for all that runs on its device, and a load need not.
 *
 * The threads block all signals, so that PostgreSQL's handlers run in the main
 * thread only, and must never call anything of PostgreSQL: no ereport, no palloc,
 * no latch.
 */
#include "postgres.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "keeper/helper.h"

typedef struct Queue
{
	GstoreJob *first;
	GstoreJob *last;
} Queue;

typedef struct Helper
{
	pthread_t thread;
	bool running;
	pthread_cond_t submitted;
	Queue to_do;
} Helper;

enum
{
	TAKING,
	GIVING,
	HELPERS
};

/* queues and stopping under mutex */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Helper helpers[HELPERS] = {
	{.submitted = PTHREAD_COND_INITIALIZER},
	{.submitted = PTHREAD_COND_INITIALIZER}};
static Queue done;
static bool stopping;

static const GstoreDeviceOps *device_ops;
static int notify;

static void
push(Queue *queue, GstoreJob *job)
{
	job->next = NULL;
	if (queue->first == NULL)
		queue->first = job;
	else
		queue->last->next = job;
	queue->last = job;
}

static GstoreJob *
pop(Queue *queue)
{
	GstoreJob *job = queue->first;

	if (job != NULL)
		queue->first = job->next;
	return job;
}

static void
do_job(GstoreJob *job)
{
	GstoreDeviceError ignored;

	switch (job->kind)
	{
		case GSTORE_JOB_ALLOC:
			job->good = device_ops->alloc(job->device, job->bytes,
										  &job->address, &job->error);
			if (!job->good &&
				(job->error.kind != GSTORE_DEVICE_OUT_OF_MEMORY ||
				 !device_ops->free_bytes(job->device, &job->available,
										 &ignored)))
				job->available = 0;
			break;
		case GSTORE_JOB_FREE:
			job->good = device_ops->free(job->device, job->address,
										 &job->error);
			break;
		case GSTORE_JOB_OPEN:
			job->good = device_ops->open_handle(job->device, &job->handle,
												&job->address, &job->bytes,
												&job->error);
			break;
		case GSTORE_JOB_CLOSE:
			job->good = device_ops->close_handle(job->device, job->address,
												 &job->error);
			break;
	}
}

static void *
work(void *argument)
{
	Helper *self = argument;
	uint64_t one = 1;

	pthread_mutex_lock(&mutex);
	while (!stopping)
	{
		GstoreJob *job = pop(&self->to_do);

		if (job == NULL)
		{
			pthread_cond_wait(&self->submitted, &mutex);
			continue;
		}
		pthread_mutex_unlock(&mutex);
		do_job(job);
		pthread_mutex_lock(&mutex);
		push(&done, job);

		/* It can only fail when the counter is full: then it is readable. */
		if (write(notify, &one, sizeof(one)) < 0)
			continue;
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

bool
gstore_helper_start(const GstoreDeviceOps *ops, int notify_fd)
{
	sigset_t all;
	sigset_t before;
	int result = 0;

	device_ops = ops;
	notify = notify_fd;
	stopping = false;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (int i = 0; i < HELPERS && result == 0; i++)
	{
		result = pthread_create(&helpers[i].thread, NULL, work, &helpers[i]);
		helpers[i].running = result == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = result;
	return result == 0;
}

bool
gstore_helper_stop(int timeout_ms)
{
	struct timespec until;

	pthread_mutex_lock(&mutex);
	stopping = true;
	for (int i = 0; i < HELPERS; i++)
		pthread_cond_signal(&helpers[i].submitted);
	pthread_mutex_unlock(&mutex);

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L)
	{
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	for (int i = 0; i < HELPERS; i++)
	{
		if (!helpers[i].running)
			continue;
		if (pthread_timedjoin_np(helpers[i].thread, NULL, &until) != 0)
			return false;
		helpers[i].running = false;
	}
	return true;
}

void
gstore_helper_submit(GstoreJob *job)
{
	bool gives = job->kind == GSTORE_JOB_FREE || job->kind == GSTORE_JOB_CLOSE;
	Helper *helper = &helpers[gives ? GIVING : TAKING];

	pthread_mutex_lock(&mutex);
	push(&helper->to_do, job);
	pthread_cond_signal(&helper->submitted);
	pthread_mutex_unlock(&mutex);
}

GstoreJob *
gstore_helper_finished(void)
{
	GstoreJob *job;

	pthread_mutex_lock(&mutex);
	job = pop(&done);
	pthread_mutex_unlock(&mutex);
	return job;
}
