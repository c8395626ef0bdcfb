/*
 * progress.c
 *	  How far gstore_compact() is; see progress.h.
 *
 * It is told by PostgreSQL's own progress reports, under a number that none of
 * its commands has, so that it ends with an error as theirs do.  Must not
 * disturb a command that reports its own and calls the function.
 */
#include "postgres.h"

#include "pgstat.h"
#include "utils/backend_status.h"

#include "compat.h"
#include "store/progress.h"

#define COMMAND ((ProgressCommandType) 0x6773)

/* Places of the report. */
enum
{
	PHASE,
	CHUNKS_TOTAL,
	CHUNKS_READ,
	BYTES_TOTAL,
	BYTES_READ,
	BYTES_WON,
	PLACES
};

/* What was told last; good while is_ours(). */
static int64 told[PLACES];

static bool
is_ours(void)
{
	return MyBEEntry != NULL && MyBEEntry->st_progress_command == COMMAND;
}

static void
tell(int place, int64 value)
{
	told[place] = value;
	pgstat_progress_update_param(place, value);
}

void
gstore_progress_begin(Oid relid, GstoreTableSize size)
{
	if (MyBEEntry == NULL ||
		MyBEEntry->st_progress_command != PROGRESS_COMMAND_INVALID)
		return;
	memset(told, 0, sizeof(told));
	pgstat_progress_start_command(COMMAND, relid);
	tell(CHUNKS_TOTAL, size.chunks);
	tell(BYTES_TOTAL, (int64) size.bytes);
}

void
gstore_progress_phase(GstoreProgressPhase phase)
{
	if (is_ours())
		tell(PHASE, phase);
}

void
gstore_progress_read(uint64 bytes)
{
	if (!is_ours())
		return;
	tell(CHUNKS_READ, told[CHUNKS_READ] + 1);
	tell(BYTES_READ, told[BYTES_READ] + (int64) bytes);
}

void
gstore_progress_won(int64 bytes)
{
	if (is_ours())
		tell(BYTES_WON, told[BYTES_WON] + bytes);
}

void
gstore_progress_end(void)
{
	if (is_ours())
		pgstat_progress_end_command();
}

GstoreProgress *
gstore_progress_list(int *count)
{
	int n = pgstat_fetch_stat_numbackends();
	GstoreProgress *list = palloc(Max(1, n) * sizeof(GstoreProgress));

	*count = 0;
	for (int i = 1; i <= n; i++)
	{
		const PgBackendStatus *entry =
			&gstore_local_beentry(i)->backendStatus;
		const int64 *places = entry->st_progress_param;
		GstoreProgress *progress = &list[*count];

		if (entry->st_progress_command != COMMAND)
			continue;
		progress->pid = entry->st_procpid;
		progress->database = entry->st_databaseid;
		progress->role = entry->st_userid;
		progress->table = entry->st_progress_command_target;
		progress->phase = (GstoreProgressPhase) places[PHASE];
		progress->chunks_total = places[CHUNKS_TOTAL];
		progress->chunks_read = places[CHUNKS_READ];
		progress->bytes_total = places[BYTES_TOTAL];
		progress->bytes_read = places[BYTES_READ];
		progress->bytes_won = places[BYTES_WON];
		(*count)++;
	}
	return list;
}
