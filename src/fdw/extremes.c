/*
 * extremes.c
 *	  Which blocks min() and max() of whole columns have to read.
 *
 * The least key of all blocks whose rows are all seen is that of a value that
 * is there.  A block that holds only greater ones is not read; where different
 * values have different keys, nor is another one that holds as little.  What is
 * read tells the value itself, so bounds need not be exact, and a block with
 * rows that the snapshot does not see only counts if it could hold less.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"

#include "exec/exec.h"
#include "fdw/extremes.h"
#include "fdw/prune.h"

typedef struct Extreme
{
	AttrNumber attnum;
	bool greatest;				 /* max, not min */
	bool exact;					 /* different values have different keys */
	uint64 slack;				 /* between keys that may be of equal values */
	const GstoreBounds *witness; /* of a block that holds the key: its first
								  * column; NULL: none is known */
	uint64 key;
} Extreme;

struct GstoreExtremes
{
	int count;
	Extreme extremes[FLEXIBLE_ARRAY_MEMBER];
};

/* The column of a min or max, or NULL. */
static Var *
column_of(const Aggref *aggref)
{
	GstoreAggregateKind kind = gstore_aggregate_kind(aggref);
	Expr *argument = gstore_aggregate_argument(aggref);

	if ((kind != GSTORE_AGGREGATE_MIN && kind != GSTORE_AGGREGATE_MAX) ||
		aggref->aggfilter != NULL || !IsA(argument, Var) ||
		((Var *) argument)->varattno <= 0 ||
		gstore_order_of_type(exprType((Node *) argument)) == GSTORE_ORDER_NONE)
		return NULL;
	return (Var *) argument;
}

/* Does a block hold less than the key (more, for max): -1, as much: 0? */
static int
compare(const Extreme *extreme, const GstoreBounds *bounds)
{
	uint64 found = extreme->greatest ? bounds->greatest : bounds->least;
	uint64 apart = found < extreme->key ? extreme->key - found
										: found - extreme->key;

	if (apart <= extreme->slack)
		return 0;
	return (found < extreme->key) != extreme->greatest ? -1 : 1;
}

static bool
has_values(const Extreme *extreme, const GstoreBounds *block, int ncolumns)
{
	const GstoreBounds *bounds = &block[extreme->attnum - 1];

	return extreme->attnum <= ncolumns && bounds->least <= bounds->greatest;
}

/* All rows of the block are seen. */
static void
take_block(GstoreExtremes *extremes, const GstoreBounds *block, int ncolumns)
{
	for (int i = 0; i < extremes->count; i++)
	{
		Extreme *extreme = &extremes->extremes[i];
		const GstoreBounds *bounds = &block[extreme->attnum - 1];

		if (!has_values(extreme, block, ncolumns) ||
			(extreme->witness != NULL && compare(extreme, bounds) >= 0))
			continue;
		extreme->witness = block;
		extreme->key = extreme->greatest ? bounds->greatest : bounds->least;
	}
}

static void
take_set(GstoreExtremes *extremes, const GstoreSeenSet *set)
{
	for (uint32 i = 0; i < set->nchunks; i++)
	{
		const GstoreSeenChunk *seen = &set->chunks[i];
		const GstoreSchema *schema = &seen->stamp->schema;
		uint32 nblocks = gstore_block_count(seen->chunk->rows);

		if (seen->hidden != NULL)
			continue;
		for (uint32 block = 0; block < nblocks; block++)
		{
			const GstoreBounds *bounds =
				gstore_chunk_bounds(seen->chunk, schema, block);

			if (bounds != NULL)
				take_block(extremes, bounds, schema->ncols);
		}
	}
}

GstoreExtremes *
gstore_extremes_make(List *aggrefs, const GstoreSeenSet *set)
{
	GstoreExtremes *extremes =
		palloc0(offsetof(GstoreExtremes, extremes) +
				list_length(aggrefs) * sizeof(Extreme));
	ListCell *cell;

	foreach(cell, aggrefs)
	{
		const Aggref *aggref = lfirst_node(Aggref, cell);
		Extreme *extreme = &extremes->extremes[extremes->count++];
		Var *column = column_of(aggref);
		GstoreOrder order;

		if (column == NULL)
			return NULL;
		order = gstore_order_of_type(column->vartype);
		extreme->attnum = column->varattno;
		extreme->greatest = gstore_aggregate_kind(aggref) == GSTORE_AGGREGATE_MAX;
		extreme->exact = order == GSTORE_ORDER_INTEGER ||
						 order == GSTORE_ORDER_UNSIGNED ||
						 order == GSTORE_ORDER_FLOAT ||
						 order == GSTORE_ORDER_DATE ||
						 order == GSTORE_ORDER_TIMESTAMP;
		extreme->slack = order == GSTORE_ORDER_NUMERIC ? GSTORE_NUMERIC_SLACK
													   : 0;
	}
	take_set(extremes, set);
	return extremes;
}

bool
gstore_extremes_want(void *state, const GstoreBounds *block, int ncolumns,
					 uint32 rows)
{
	const GstoreExtremes *extremes = state;

	(void) rows;
	for (int i = 0; i < extremes->count; i++)
	{
		const Extreme *extreme = &extremes->extremes[i];
		int order;

		if (!has_values(extreme, block, ncolumns))
			continue;
		if (extreme->witness == NULL || extreme->witness == block)
			return true;
		order = compare(extreme, &block[extreme->attnum - 1]);
		if (order < 0 || (order == 0 && !extreme->exact))
			return true;
	}
	return false;
}
