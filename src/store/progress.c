/*
 * progress.c
 *	  How far gstore_compact() and gstore_load() are; see progress.h.
 *
 * It is told by PostgreSQL's own progress reports, under numbers that none of
 * its commands has, so that it ends with an error as theirs do.  Must not
 * disturb a command that reports its own and calls the function.
 */
#include "postgres.h"

#include "pgstat.h"
#include "utils/backend_status.h"

#include "compat.h"
#include "store/progress.h"

StaticAssertDecl(GSTORE_PROGRESS_PLACES <= PGSTAT_NUM_PROGRESS_PARAM,
				 "a report has room for its places");

/* PostgreSQL's number of one of our commands. */
#define NUMBER(command) ((ProgressCommandType) (0x6773 + (command)))

/* What was told last; good while is_ours(). */
static int64 told[GSTORE_PROGRESS_PLACES];

static bool
is_ours(GstoreProgressCommand command)
{
	return MyBEEntry != NULL &&
		   MyBEEntry->st_progress_command == NUMBER(command);
}

void
gstore_progress_begin(GstoreProgressCommand command, Oid relid)
{
	if (MyBEEntry == NULL ||
		MyBEEntry->st_progress_command != PROGRESS_COMMAND_INVALID)
		return;
	memset(told, 0, sizeof(told));
	pgstat_progress_start_command(NUMBER(command), relid);
}

/* Tell a value, or how much is added to it. */
static void
tell(GstoreProgressPlace place, bool add, int64 value)
{
	int index = place % GSTORE_PROGRESS_PLACES;

	if (!is_ours((GstoreProgressCommand) (place / GSTORE_PROGRESS_PLACES)))
		return;
	if (add)
		value += told[index];
	if (value == told[index])
		return;
	told[index] = value;
	pgstat_progress_update_param(index, value);
}

void
gstore_progress_tell(GstoreProgressPlace place, int64 value)
{
	tell(place, false, value);
}

void
gstore_progress_add(GstoreProgressPlace place, int64 more)
{
	tell(place, true, more);
}

void
gstore_progress_chunk(Oid relid, uint64 bytes)
{
	if (is_ours(GSTORE_PROGRESS_LOAD) &&
		MyBEEntry->st_progress_command_target == relid)
		gstore_progress_add(GSTORE_LOAD_BYTES_DONE, (int64) bytes);
}

void
gstore_progress_read(uint64 bytes)
{
	gstore_progress_add(GSTORE_COMPACT_CHUNKS_READ, 1);
	gstore_progress_add(GSTORE_COMPACT_BYTES_READ, (int64) bytes);
}

void
gstore_progress_end(GstoreProgressCommand command)
{
	if (is_ours(command))
		pgstat_progress_end_command();
}

GstoreProgress *
gstore_progress_list(GstoreProgressCommand command, int *count)
{
	int n = pgstat_fetch_stat_numbackends();
	GstoreProgress *list = palloc(Max(1, n) * sizeof(GstoreProgress));

	*count = 0;
	for (int i = 1; i <= n; i++)
	{
		const PgBackendStatus *entry =
			&gstore_local_beentry(i)->backendStatus;
		GstoreProgress *progress = &list[*count];

		if (entry->st_progress_command != NUMBER(command))
			continue;
		progress->pid = entry->st_procpid;
		progress->database = entry->st_databaseid;
		progress->role = entry->st_userid;
		progress->table = entry->st_progress_command_target;
		memcpy(progress->places, entry->st_progress_param,
			   sizeof(progress->places));
		(*count)++;
	}
	return list;
}
