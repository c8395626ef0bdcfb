/*
 * load_workers.c
 *	  gstore_load() by several processes.
 *
 * The session's process and its parallel workers run the same plan, over scans
 * that deal out blocks.  Each fills chunks of its own, which takes it as much
 * memory as a session that loads alone; a worker hands its chunks over
 * (store/handover.h) to the session, which has the writer lock and the
 * transaction, and publishes them between its own rows.
 *
 * A worker has the session's snapshot, user, settings and transaction, but may
 * not get a transaction id, nor change the shared catalogue: the table's entry is
 * there when it begins, and it takes but small images' places from there.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "exec/exec.h"
#include "fault.h"
#include "fdw/load.h"
#include "store/handover.h"
#include "store/progress.h"

/* What the team shares, by key.  The scans' keys follow KEY_SCAN. */
enum
{
	KEY_SHARED = 1,
	KEY_HANDOVER,
	KEY_PLAN,  /* PlannedStmt of the rows, as text */
	KEY_QUERY, /* what pg_stat_activity is to show */
	KEY_BUFFER_USAGE,
	KEY_WAL_USAGE,
	KEY_SCAN
};

typedef struct Shared
{
	Oid target;
	Index target_index;	   /* in the plan's range table */
	int threads;		   /* for each process to encode with */
	pg_atomic_uint64 rows; /* that workers inserted so far */
} Shared;

struct GstoreLoadTeam
{
	ParallelContext *context;
	Shared *shared;
	GstoreHandover *handover;
	BufferUsage *buffer_usage; /* [workers] */
	WalUsage *wal_usage;	   /* [workers] */
};

/* How often progress is shown while only workers work. */
#define REPORT_MS 100

/* ---- beginning ---- */

/* The part of the plan that returns the rows, for the workers. */
static char *
plan_of_rows(const PlannedStmt *plan)
{
	PlannedStmt rows = *plan;

	rows.commandType = CMD_SELECT;
	rows.planTree = outerPlan(plan->planTree);
	rows.resultRelations = NIL;
	rows.rowMarks = NIL;
	rows.relationOids = NIL;
	rows.invalItems = NIL;
	return nodeToString(&rows);
}

static void
estimate(shm_toc_estimator *estimator, Size size)
{
	shm_toc_estimate_chunk(estimator, size);
	shm_toc_estimate_keys(estimator, 1);
}

static void *
share(ParallelContext *context, uint64 key, Size size)
{
	void *memory = shm_toc_allocate(context->toc, size);

	shm_toc_insert(context->toc, key, memory);
	return memory;
}

static void
share_text(ParallelContext *context, uint64 key, const char *text)
{
	strcpy(share(context, key, strlen(text) + 1), text);
}

static Size
scan_size(const GstoreLoad *load, const ScanState *scan)
{
	return table_parallelscan_estimate(scan->ss_currentRelation,
									   load->query->estate->es_snapshot);
}

void
gstore_load_team_begin(GstoreLoad *load, List *scans, int workers)
{
	GstoreLoadTeam *team = palloc0(sizeof(GstoreLoadTeam));
	char *plan = plan_of_rows(load->query->plannedstmt);
	const char *query = debug_query_string != NULL ? debug_query_string : load->query->sourceText;
	ParallelContext *context;
	int nscans = 0;
	int threads;
	ListCell *cell;

	/* In parallel mode there is no transaction id to be had. */
	gstore_modify_prepare(load->rinfo->ri_FdwState);
	threads = Max(1, gstore_exec_threads() / (workers + 1));
	EnterParallelMode();
	team->context = context = CreateParallelContext("gstore_fdw",
													"gstore_load_worker",
													workers);
	estimate(&context->estimator, sizeof(Shared));
	estimate(&context->estimator, gstore_handover_size(workers));
	estimate(&context->estimator, strlen(plan) + 1);
	estimate(&context->estimator, strlen(query) + 1);
	estimate(&context->estimator, mul_size(sizeof(BufferUsage), workers));
	estimate(&context->estimator, mul_size(sizeof(WalUsage), workers));
	foreach(cell, scans)
		estimate(&context->estimator, scan_size(load, lfirst(cell)));
	InitializeParallelDSM(context);

	team->shared = share(context, KEY_SHARED, sizeof(Shared));
	team->shared->target = RelationGetRelid(load->target);
	team->shared->target_index = load->rinfo->ri_RangeTableIndex;
	team->shared->threads = threads;
	pg_atomic_init_u64(&team->shared->rows, 0);
	team->handover = share(context, KEY_HANDOVER,
						   gstore_handover_size(workers));
	gstore_handover_init(team->handover, workers);
	share_text(context, KEY_PLAN, plan);
	share_text(context, KEY_QUERY, query);
	team->buffer_usage = share(context, KEY_BUFFER_USAGE,
							   mul_size(sizeof(BufferUsage), workers));
	team->wal_usage = share(context, KEY_WAL_USAGE,
							mul_size(sizeof(WalUsage), workers));
	foreach(cell, scans)
		gstore_load_begin_scan(load, lfirst(cell),
							   share(context, KEY_SCAN + nscans++,
									 scan_size(load, lfirst(cell))));
	load->team = team;

	LaunchParallelWorkers(context);
	if (context->nworkers_launched > 0)
		gstore_modify_set_threads(load->rinfo->ri_FdwState, threads);
	gstore_progress_tell(GSTORE_LOAD_WORKERS, context->nworkers_launched);
	GSTORE_FAULT_POINT("load-launched");
}

int
gstore_load_team_size(const GstoreLoadTeam *team)
{
	return team->context->nworkers_launched;
}

uint64
gstore_load_team_rows(const GstoreLoadTeam *team)
{
	return pg_atomic_read_u64(&team->shared->rows);
}

/* ---- receiving ---- */

void
gstore_load_team_receive(GstoreLoad *load)
{
	GstoreHold *hold;
	GstoreChunk *chunk;

	while ((chunk = gstore_handover_take(load->team->handover, &hold)) != NULL)
	{
		gstore_modify_publish(load->rinfo->ri_FdwState, chunk, hold);
		CHECK_FOR_INTERRUPTS();
	}
}

/* A worker that fails, or does not even start, says so, or its end does: that is
 * an error here at the next check for interrupts. */
void
gstore_load_team_wait(GstoreLoad *load)
{
	GstoreLoadTeam *team = load->team;
	ParallelContext *context = team->context;
	int launched = context->nworkers_launched;

	WaitForParallelWorkersToAttach(context);
	while (!gstore_handover_is_over(team->handover, launched))
	{
		CHECK_FOR_INTERRUPTS();
		gstore_load_team_receive(load);
		gstore_load_report(load);
		gstore_handover_wait(team->handover, launched, REPORT_MS);
	}
	WaitForParallelWorkersToFinish(context);
	for (int i = 0; i < launched; i++)
		InstrAccumParallelQuery(&team->buffer_usage[i], &team->wal_usage[i]);
}

void
gstore_load_team_end(GstoreLoad *load)
{
	DestroyParallelContext(load->team->context);
	ExitParallelMode();
}

/* ---- the worker ---- */

/* Who counts for the team. */
typedef struct Member
{
	Shared *shared;
	GstoreModify *modify;
	uint64 counted; /* of its rows */
} Member;

static void
count(void *arg)
{
	Member *member = arg;
	uint64 rows = gstore_modify_watched(member->modify);

	CHECK_FOR_INTERRUPTS();
	GSTORE_FAULT_POINT("load-worker-rows");
	pg_atomic_fetch_add_u64(&member->shared->rows, rows - member->counted);
	member->counted = rows;
}

static void
join_scans(QueryDesc *query, shm_toc *toc)
{
	List *scans = gstore_load_find_scans(query, query->planstate);

	for (int i = 0; i < list_length(scans); i++)
	{
		ScanState *scan = list_nth(scans, i);

		scan->ss_currentScanDesc =
			table_beginscan_parallel(scan->ss_currentRelation,
									 shm_toc_lookup(toc, KEY_SCAN + i, false));
	}
}

/* Its chunks are all taken when this returns. */
static void
copy_part(QueryDesc *query, Relation target, Shared *shared,
		  GstoreHandover *handover)
{
	ResultRelInfo *rinfo = makeNode(ResultRelInfo);
	GstoreHelper *helper = gstore_helper_begin(handover,
											   ParallelWorkerNumber);
	Member member = {.shared = shared};

	InitResultRelInfo(rinfo, target, shared->target_index, NULL, 0);
	member.modify = gstore_modify_begin_helping(query->estate, rinfo, helper,
												shared->threads);
	rinfo->ri_FdwState = member.modify;
	gstore_modify_watch(member.modify, count, &member);
	GSTORE_FAULT_POINT("load-worker-begin");
	gstore_load_copy(query->estate, query->planstate, rinfo);
	count(&member);
	gstore_modify_end(member.modify);
	gstore_helper_end(helper);
}

/* Where a parallel worker of gstore_load() begins. */
PGDLLEXPORT void gstore_load_worker(dsm_segment *segment, shm_toc *toc);

void
gstore_load_worker(dsm_segment *segment, shm_toc *toc)
{
	Shared *shared = shm_toc_lookup(toc, KEY_SHARED, false);
	BufferUsage *buffer_usage = shm_toc_lookup(toc, KEY_BUFFER_USAGE, false);
	WalUsage *wal_usage = shm_toc_lookup(toc, KEY_WAL_USAGE, false);
	PlannedStmt *plan = stringToNode(shm_toc_lookup(toc, KEY_PLAN, false));
	QueryDesc *query;
	Relation target;

	(void) segment;
	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, false);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	query = CreateQueryDesc(plan, debug_query_string, GetActiveSnapshot(),
							InvalidSnapshot, None_Receiver, NULL, NULL, 0);
	ExecutorStart(query, 0);
	join_scans(query, toc);
	target = table_open(shared->target, RowExclusiveLock);
	InstrStartParallelQuery();
	copy_part(query, target, shared,
			  shm_toc_lookup(toc, KEY_HANDOVER, false));
	InstrEndParallelQuery(&buffer_usage[ParallelWorkerNumber],
						  &wal_usage[ParallelWorkerNumber]);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	table_close(target, NoLock);
}
