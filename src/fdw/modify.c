/*
 * modify.c
 *	  INSERT, UPDATE, DELETE, TRUNCATE and COPY as the executor calls them.
 *
 * Core enforces neither NOT NULL nor CHECK nor partition bounds on foreign
 * tables, nor row policies on new rows, because it takes them for promises about
 * data elsewhere.  Here we are the storage, so they are checked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/planmain.h"
#include "parser/parsetree.h"
#include "storage/predicate.h"
#include "utils/rel.h"

#include "compat.h"
#include "codec/arrow.h"
#include "codec/batch.h"
#include "exec/exec.h"
#include "fdw/columns.h"
#include "fdw/routine.h"
#include "fdw/rowaddress.h"
#include "fdw/statement.h"
#include "fdw/form.h"
#include "fdw/modify.h"
#include "fdw/textform.h"
#include "store/deleter.h"
#include "store/writer.h"

struct GstoreModify
{
	GstoreTarget *target;
	GstoreWriter *writer;	/* INSERT, UPDATE */
	GstoreDeleter *deleter; /* UPDATE, DELETE; made with the first row */
	AttrNumber row_attno;	/* of the junk attribute "ctid" */
	bool by_update;
	CmdType operation;	/* the statement's: an UPDATE may insert */
	bool any_form;		/* some values have to be put in another form */
	bool only_not_null; /* no other constraint is to be checked */
	int nspecial;
	int *special;			  /* [nspecial] columns that may need preparing:
							 * varlena, and those kept as text */
	GstoreForm **forms;		  /* [natts], NULL: stored as it is */
	TupleTableSlot *slot;	  /* being appended */
	Datum *values;			  /* [natts] flattened row */
	void (*watch)(void *arg); /* or NULL */
	void *watch_arg;
	uint64 watched; /* rows inserted since it was set */
};

/* What a batch does not read of a tuple, and what it reads where. */
StaticAssertDecl(GSTORE_TUPLE_SKIP + 2 == offsetof(HeapTupleHeaderData, t_infomask2) &&
					 GSTORE_TUPLE_SKIP + 4 == offsetof(HeapTupleHeaderData, t_infomask) &&
					 GSTORE_TUPLE_SKIP + 6 == offsetof(HeapTupleHeaderData, t_hoff) &&
					 GSTORE_TUPLE_SKIP + 7 == offsetof(HeapTupleHeaderData, t_bits) &&
					 HEAP_HASNULL == 1,
				 "a tuple's header is as codec/batch.c reads it");

/* ---- planning ---- */

static int
is_updatable(Relation relation)
{
	(void) relation;
	return (1 << CMD_INSERT) | (1 << CMD_UPDATE) | (1 << CMD_DELETE);
}

/* The row's address, and for RETURNING the row that a DELETE takes away. */
static void
add_update_targets(PlannerInfo *root, Index rtindex, RangeTblEntry *rte,
				   Relation relation)
{
	Var *address = makeVar(rtindex, SelfItemPointerAttributeNumber,
						   TIDOID, -1, InvalidOid, 0);

	(void) relation;
	add_row_identity_var(root, address, rtindex, "ctid");
	if (root->parse->commandType == CMD_DELETE &&
		root->parse->returningList != NIL)
	{
		/* As core adds it for triggers, so that the two are one. */
		Var *row = makeVar(rtindex, InvalidAttrNumber, RECORDOID, -1,
						   InvalidOid, 0);

		add_row_identity_var(root, row, rtindex, "wholerow");
	}
}

/* ---- begin and end ---- */

/* A value that was refused, or that of the row being appended, for an error. */
static char *
refused_value(void *state, int column, const GstoreValue *value)
{
	GstoreModify *modify = state;

	return gstore_value_text(modify->target->schema->columns[column].typid,
							 value != NULL ? (Datum) *value
										   : modify->slot->tts_values[column]);
}

static struct varlena *
storable_value(GstoreValue value)
{
	return (struct varlena *) DatumGetPointer(gstore_flatten((Datum) value));
}

static GstoreModify *
create_state(Relation relation, CmdType command)
{
	TupleDesc desc = RelationGetDescr(relation);
	GstoreModify *state = palloc0(sizeof(GstoreModify));

	state->target = gstore_target(relation);
	state->by_update = command == CMD_UPDATE;
	state->operation = command;
	state->values = palloc(Max(1, desc->natts) * sizeof(Datum));
	state->special = palloc(Max(1, desc->natts) * sizeof(int));
	state->forms = palloc0(Max(1, desc->natts) * sizeof(GstoreForm *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		if (gstore_form_is_needed(state->target->schema->columns[i].arrow_kind))
			state->forms[i] = gstore_form(attribute->atttypid,
										  attribute->atttypmod);
		if (attribute->attlen == -1 || state->forms[i] != NULL)
			state->special[state->nspecial++] = i;
		state->any_form = state->any_form || state->forms[i] != NULL;
	}
	state->only_not_null = desc->constr == NULL || desc->constr->num_check == 0;
	return state;
}

static void
set_writer(GstoreModify *state, GstoreWriter *writer)
{
	state->writer = writer;
	gstore_writer_on_refusal(writer, refused_value, state);
	gstore_writer_make_storable(writer, storable_value);
}

GstoreModify *
gstore_modify_begin(EState *estate, ResultRelInfo *rinfo, CmdType command)
{
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	Relation relation = rinfo->ri_RelationDesc;
	GstoreModify *state;

	gstore_lock_for_writing(RelationGetRelid(relation));
	CheckForSerializableConflictIn(relation, NULL, InvalidBlockNumber);
	state = create_state(relation, command);
	if (command != CMD_DELETE)
		set_writer(state, gstore_writer_begin(state->target, state->by_update,
											  gstore_exec_threads()));
	MemoryContextSwitchTo(old);
	return state;
}

GstoreModify *
gstore_modify_begin_helping(EState *estate, ResultRelInfo *rinfo,
							GstoreHelper *helper, int threads)
{
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	GstoreModify *state = create_state(rinfo->ri_RelationDesc, CMD_INSERT);

	set_writer(state, gstore_writer_begin_helping(state->target, helper,
												  threads));
	MemoryContextSwitchTo(old);
	return state;
}

void
gstore_modify_set_threads(GstoreModify *state, int threads)
{
	gstore_writer_set_threads(state->writer, threads);
}

void
gstore_modify_prepare(GstoreModify *state)
{
	gstore_writer_prepare(state->writer);
}

void
gstore_modify_publish(GstoreModify *state, GstoreChunk *chunk,
					  GstoreHold *hold)
{
	gstore_writer_publish(state->writer, chunk, hold);
}

void
gstore_modify_watch(GstoreModify *state, void (*watch)(void *arg), void *arg)
{
	state->watch = watch;
	state->watch_arg = arg;
}

uint64
gstore_modify_watched(const GstoreModify *state)
{
	return state->watched;
}

static void
begin_modify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
			 List *fdw_private, int subplan_index, int eflags)
{
	EState *estate = mtstate->ps.state;
	GstoreModify *state;

	(void) fdw_private;
	(void) subplan_index;
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	state = gstore_modify_begin(estate, rinfo, mtstate->operation);
	rinfo->ri_FdwState = state;
	if (mtstate->operation != CMD_INSERT)
		state->row_attno =
			ExecFindJunkAttributeInTlist(outerPlanState(mtstate)->plan->targetlist,
										 "ctid");
}

/* COPY, and rows that are routed to a partition: which may be one that the
 * same UPDATE changes, and then has its state already. */
static void
begin_insert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
	GstoreModify *state = rinfo->ri_FdwState;

	if (state != NULL)
		return;
	state = gstore_modify_begin(mtstate->ps.state, rinfo, CMD_INSERT);
	state->operation = mtstate->operation;
	rinfo->ri_FdwState = state;
}

void
gstore_modify_end(GstoreModify *state)
{
	if (state->deleter != NULL)
		gstore_deleter_end(state->deleter);
	state->deleter = NULL;
	if (state->writer != NULL)
		gstore_writer_flush(state->writer);
}

static void
end_modify(EState *estate, ResultRelInfo *rinfo)
{
	(void) estate;
	if (rinfo->ri_FdwState != NULL)
		gstore_modify_end(rinfo->ri_FdwState);
}

/* ---- rows ---- */

/* The tuple that is in a slot as bytes, with all columns; NULL: there is none. */
static HeapTuple
tuple_of(TupleTableSlot *slot)
{
	HeapTuple tuple = NULL;

	if (TTS_IS_HEAPTUPLE(slot) || TTS_IS_BUFFERTUPLE(slot))
		tuple = ((HeapTupleTableSlot *) slot)->tuple;
	else if (TTS_IS_MINIMALTUPLE(slot))
		tuple = ((MinimalTupleTableSlot *) slot)->tuple;
	if (tuple == NULL || HeapTupleHeaderGetNatts(tuple->t_data) !=
							 slot->tts_tupleDescriptor->natts)
		return NULL;
	return tuple;
}

/* To see that, a tuple need not be taken apart. */
static inline bool
has_no_null(TupleTableSlot *slot, HeapTuple tuple)
{
	int natts = slot->tts_tupleDescriptor->natts;

	if (tuple != NULL)
		return !HeapTupleHasNulls(tuple);
	return slot->tts_nvalid == natts &&
		   memchr(slot->tts_isnull, true, natts) == NULL;
}

/*
 * What makes a new row refused.  Row policies too, where the row came through a
 * partitioned table that has them: of a foreign table core expects that whoever
 * keeps the rows looks after that.
 */
static void
check_row(EState *estate, ResultRelInfo *rinfo, GstoreModify *state,
		  TupleTableSlot *slot, HeapTuple tuple)
{
	Relation relation = rinfo->ri_RelationDesc;

	if (rinfo->ri_WithCheckOptions != NIL)
	{
		if (state->operation != CMD_UPDATE)
			ExecWithCheckOptions(WCO_RLS_INSERT_CHECK, rinfo, slot, estate);
		if (state->operation != CMD_INSERT)
			ExecWithCheckOptions(WCO_RLS_UPDATE_CHECK, rinfo, slot, estate);
	}
	if (RelationGetDescr(relation)->constr != NULL &&
		!(state->only_not_null && has_no_null(slot, tuple)))
		ExecConstraints(rinfo, slot, estate);
	if (relation->rd_rel->relispartition)
		ExecPartitionCheck(rinfo, slot, estate, true);
}

/*
 * The row's values as the codec wants them: the slot's own where nothing has
 * to be done, else a copy in state->values, what it points to in the tuple's
 * memory.
 */
static Datum *
prepare_values(EState *estate, GstoreModify *state, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	Datum *values = slot->tts_values;

	for (int i = 0; i < state->nspecial; i++)
	{
		int column = state->special[i];
		GstoreForm *form = state->forms[column];
		struct varlena *value;

		if (slot->tts_isnull[column])
			continue;
		value = (struct varlena *) DatumGetPointer(slot->tts_values[column]);
		if (likely(form == NULL && !VARATT_IS_EXTERNAL(value) &&
				   !VARATT_IS_COMPRESSED(value)))
			continue;

		if (values == slot->tts_values)
		{
			values = state->values;
			memcpy(values, slot->tts_values,
				   slot->tts_tupleDescriptor->natts * sizeof(Datum));
		}
		values[column] = form != NULL ? gstore_form_store(form, state->target, column, slot->tts_values[column]) : gstore_flatten(slot->tts_values[column]);
	}
	MemoryContextSwitchTo(old);
	return values;
}

/* tuple: the slot's, or NULL. */
static void
append_row(EState *estate, GstoreModify *state, TupleTableSlot *slot,
		   HeapTuple tuple)
{
	Datum *values;

	state->slot = slot;
	if (tuple != NULL && !state->any_form && !HeapTupleHasExternal(tuple) &&
		gstore_writer_append_tuple(state->writer, tuple->t_data,
								   tuple->t_len))
		return;
	slot_getallattrs(slot);
	if (!state->any_form &&
		gstore_writer_append_storable(state->writer,
									  (const GstoreValue *) slot->tts_values,
									  slot->tts_isnull))
		return;
	values = prepare_values(estate, state, slot);
	gstore_writer_append(state->writer, (const GstoreValue *) values,
						 slot->tts_isnull);
}

/* A new row whose generated columns are there. */
static void
insert_row(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot)
{
	GstoreModify *state = rinfo->ri_FdwState;
	HeapTuple tuple = tuple_of(slot);

	check_row(estate, rinfo, state, slot, tuple);
	append_row(estate, state, slot, tuple);
	if (unlikely(state->watch != NULL) &&
		++state->watched % GSTORE_WATCH_ROWS == 0)
		state->watch(state->watch_arg);
}

static TupleTableSlot *
exec_insert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
			TupleTableSlot *plan_slot)
{
	(void) plan_slot;
	insert_row(estate, rinfo, slot);
	return slot;
}

void
gstore_modify_insert(EState *estate, ResultRelInfo *rinfo,
					 TupleTableSlot *slot)
{
	Relation relation = rinfo->ri_RelationDesc;
	const TupleConstr *constr = RelationGetDescr(relation)->constr;

	/* Expressions may refer to it. */
	slot->tts_tableOid = RelationGetRelid(relation);
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(rinfo, estate, slot, CMD_INSERT);
	insert_row(estate, rinfo, slot);
}

bool
gstore_modify_delete(EState *estate, ResultRelInfo *rinfo,
					 GstoreModify *state, ItemPointer tid)
{
	if (state->deleter == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
		Snapshot snapshot;
		GstoreSeenSet *set = gstore_statement_find_set(estate, rinfo->ri_RangeTableIndex,
													   &snapshot);

		if (set == NULL)
			elog(ERROR, "foreign table \"%s\" was not scanned",
				 state->target->relname);
		state->deleter = gstore_deleter_begin(state->target, set, snapshot,
											  state->by_update);
		MemoryContextSwitchTo(old);
	}
	return gstore_deleter_add(state->deleter, gstore_tid_to_row_address(tid));
}

bool
gstore_modify_update(EState *estate, ResultRelInfo *rinfo,
					 GstoreModify *state, ItemPointer tid,
					 TupleTableSlot *slot)
{
	HeapTuple tuple = tuple_of(slot);

	check_row(estate, rinfo, state, slot, tuple);
	if (!gstore_modify_delete(estate, rinfo, state, tid))
		return false;
	append_row(estate, state, slot, tuple);
	return true;
}

/* The address of the row that a plan's row is about. */
static ItemPointer
row_of(ResultRelInfo *rinfo, TupleTableSlot *plan_slot)
{
	GstoreModify *state = rinfo->ri_FdwState;
	bool isnull;
	Datum tid = ExecGetJunkAttribute(plan_slot, state->row_attno, &isnull);

	if (isnull)
		elog(ERROR, "ctid is NULL");
	return (ItemPointer) DatumGetPointer(tid);
}

static TupleTableSlot *
exec_update(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
			TupleTableSlot *plan_slot)
{
	return gstore_modify_update(estate, rinfo, rinfo->ri_FdwState,
								row_of(rinfo, plan_slot), slot)
			   ? slot
			   : NULL;
}

/* The slot is to hold the deleted row, if anyone wants to see it. */
static void
store_old_row(ResultRelInfo *rinfo, TupleTableSlot *slot,
			  TupleTableSlot *plan_slot)
{
	HeapTupleData tuple;
	MemoryContext old;
	bool isnull;
	Datum row;

	if (!AttributeNumberIsValid(rinfo->ri_RowIdAttNo))
		return;
	row = ExecGetJunkAttribute(plan_slot, rinfo->ri_RowIdAttNo, &isnull);
	if (isnull)
		return;
	tuple.t_data = DatumGetHeapTupleHeader(row);
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = RelationGetRelid(rinfo->ri_RelationDesc);
	old = MemoryContextSwitchTo(slot->tts_mcxt);
	ExecForceStoreHeapTuple(heap_copytuple(&tuple), slot, true);
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
exec_delete(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
			TupleTableSlot *plan_slot)
{
	if (!gstore_modify_delete(estate, rinfo, rinfo->ri_FdwState,
							  row_of(rinfo, plan_slot)))
		return NULL;
	store_old_row(rinfo, slot, plan_slot);
	return slot;
}

/* ---- TRUNCATE ---- */

/* Core holds ACCESS EXCLUSIVE, has checked privileges, looked after CASCADE,
 * and restarts the sequences. */
static void
exec_truncate(List *relations, DropBehavior behavior, bool restart_seqs)
{
	ListCell *cell;

	(void) behavior;
	(void) restart_seqs;
	foreach(cell, relations)
	{
		Relation relation = lfirst(cell);

		CheckForSerializableConflictIn(relation, NULL, InvalidBlockNumber);
		gstore_delete_all(RelationGetRelid(relation));
	}
}

void
gstore_modify_callbacks(FdwRoutine *routine)
{
	routine->IsForeignRelUpdatable = is_updatable;
	routine->AddForeignUpdateTargets = add_update_targets;
	routine->BeginForeignModify = begin_modify;
	routine->ExecForeignInsert = exec_insert;
	routine->ExecForeignUpdate = exec_update;
	routine->ExecForeignDelete = exec_delete;
	routine->EndForeignModify = end_modify;
	routine->BeginForeignInsert = begin_insert;
	routine->EndForeignInsert = end_modify;
	routine->ExecForeignTruncate = exec_truncate;
}
