/*
 * engine_results.c
 *	  Groups as rows of another program: a column each for the keys and results
 *	  that it reads.
 *
 * Includes no PostgreSQL header.
 */
#include <stdlib.h>

#include "exec/engine_vector.h"

struct GstoreResults
{
	const GstoreProgram *program;
	int nkeys; /* of a group */
	int naggregates;
	GstoreGroupBatch *batch;
	GstoreEngineInput input;
	GstoreColumnView *views; /* by column of the program */
	uint8 *memory;
};

/* What has GSTORE_SMALL_DECIMAL_DIGITS is below. */
#define SMALL_DECIMAL_LIMIT INT64_C(1000000000000000000)

/* A vector of the column's values, and of bits that tell whether they are there. */
#define COLUMN_BYTES(type) \
	(GSTORE_ALIGN(gstore_type_bytes(type) * GSTORE_VECTOR_ROWS, 64) + \
	 GSTORE_VECTOR_ROWS / 8)

GstoreResults *
gstore_results_create(const GstoreProgram *program, const GstoreProgram *inner)
{
	const GstoreProgramColumn *columns =
		GSTORE_PROGRAM_PART(program, GstoreProgramColumn, columns);
	GstoreResults *results = calloc(1, sizeof(*results));
	uint64 bytes = 64;

	if (results == NULL)
		return NULL;
	for (int i = 0; i < program->ncolumns; i++)
		bytes += COLUMN_BYTES(columns[i].type);
	results->program = program;
	results->nkeys = inner->nkeys;
	results->naggregates = inner->naggregates;
	results->batch = gstore_group_batch_create(inner);
	results->views = calloc(Max(1, program->ncolumns), sizeof(GstoreColumnView));
	results->memory = aligned_alloc(64, GSTORE_ALIGN(bytes, 64));
	if (results->batch == NULL || results->views == NULL ||
		results->memory == NULL)
	{
		gstore_results_destroy(results);
		return NULL;
	}
	return results;
}

void
gstore_results_destroy(GstoreResults *results)
{
	if (results == NULL)
		return;
	gstore_group_batch_destroy(results->batch);
	free(results->views);
	free(results->memory);
	free(results);
}

/* ---- one column ---- */

static inline void
set_null(uint8 *validity, int i)
{
	validity[i / 8] &= (uint8) ~(1 << (i % 8));
}

/* An integer of 128 bits as a value of a type: false where it is none. */
static inline bool
put_integer(uint8 *to, int i, int type, GstoreInt128 value)
{
	int64 word = (int64) value;

	if (word != value)
		return false;
	switch (type)
	{
		case GSTORE_TYPE_BOOL:
			((gstore_logic *) to)[i] = word != 0;
			return true;
		case GSTORE_TYPE_INT2:
			((int16 *) to)[i] = (int16) word;
			return true;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			((int32 *) to)[i] = (int32) word;
			return true;
		case GSTORE_TYPE_DECIMAL:
			((int64 *) to)[i] = word;
			return word < SMALL_DECIMAL_LIMIT && word > -SMALL_DECIMAL_LIMIT;
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_TIMESTAMP:
			((int64 *) to)[i] = word;
			return true;
		default:
			return false;
	}
}

static inline void
put_real(uint8 *to, int i, int type, double value)
{
	if (type == GSTORE_TYPE_FLOAT4)
		((float *) to)[i] = (float) value;
	else
		((double *) to)[i] = value;
}

static inline void
put_numeric(uint8 *to, int i, GstoreInt128 value, int scale)
{
	GstoreNumeric *numeric = (GstoreNumeric *) to + i;

	numeric->value = value;
	numeric->scale = scale;
}

static bool
put_key(uint8 *to, int i, int type, const GstoreGroupKey *key)
{
	GstoreText *text = (GstoreText *) to + i;
	double real;

	switch (type)
	{
		case GSTORE_TYPE_FLOAT4:
		case GSTORE_TYPE_FLOAT8:
			memcpy(&real, &key->word, sizeof(real));
			put_real(to, i, type, real);
			return true;
		case GSTORE_TYPE_NUMERIC:
			put_numeric(to, i, (int64) key->word, (int) key->meta);
			return true;
		case GSTORE_TYPE_TEXT:
			text->data = key->meta <= 8
							 ? (const uint8 *) &key->word
							 : (const uint8 *) (uintptr_t) key->word;
			text->length = key->meta;
			return true;
		default:
			return put_integer(to, i, type, (int64) key->word);
	}
}

static bool
put_state(uint8 *to, int i, const GstoreGroupColumn *column, int type,
		  const GstoreAggregateState *state)
{
	if (column->part == GSTORE_GROUP_MEAN)
	{
		put_real(to, i, type, state->value.real.sum / (double) state->count);
		return true;
	}
	switch (type)
	{
		case GSTORE_TYPE_FLOAT4:
		case GSTORE_TYPE_FLOAT8:
			put_real(to, i, type, state->value.real.sum);
			return true;
		case GSTORE_TYPE_NUMERIC:
			put_numeric(to, i, state->value.integer, state->scale);
			return true;
		case GSTORE_TYPE_DECIMAL:
			return state->scale == column->scale &&
				   put_integer(to, i, type, state->value.integer);
		default:
			return put_integer(to, i, type, state->value.integer);
	}
}

static bool
fill_column(GstoreResults *results, const GstoreGroupColumn *column, int type,
			uint8 *to, uint8 *validity)
{
	const GstoreGroupBatch *batch = results->batch;
	const GstoreGroupKey *key = batch->keys + column->index;
	const GstoreAggregateState *state = batch->states + column->index;

	for (int i = 0; i < batch->n; i++)
	{
		bool fine = true;

		switch (column->part)
		{
			case GSTORE_GROUP_KEY:
				if (key->meta == GSTORE_KEY_NULL)
					set_null(validity, i);
				else
					fine = put_key(to, i, type, key);
				key += results->nkeys;
				break;
			case GSTORE_GROUP_COUNT:
				((int64 *) to)[i] = state->count;
				state += results->naggregates;
				break;
			default:
				if (state->count == 0)
					set_null(validity, i);
				else
					fine = put_state(to, i, column, type, state);
				state += results->naggregates;
				break;
		}
		if (!fine)
			return false;
	}
	return true;
}

bool
gstore_results_read(GstoreResults *results, const GstoreEngine *inner,
					const GstoreGroupColumn *columns, uint64 position)
{
	const GstoreProgramColumn *wanted =
		GSTORE_PROGRAM_PART(results->program, GstoreProgramColumn, columns);
	uint8 *memory = results->memory;
	bool fine = true;

	gstore_engine_read(inner, position, results->batch);
	for (int i = 0; i < results->program->ncolumns; i++)
	{
		GstoreColumnView *view = &results->views[i];
		uint64 bytes = gstore_type_bytes(wanted[i].type);
		uint8 *validity = memory + COLUMN_BYTES(wanted[i].type) -
						  GSTORE_VECTOR_ROWS / 8;

		view->encoding = GSTORE_ENCODING_REGISTER;
		view->stride = (uint32) bytes;
		view->values = memory;
		view->validity = validity;
		memset(validity, 0xFF, GSTORE_VECTOR_ROWS / 8);
		fine = fine && fill_column(results, &columns[wanted[i].attnum - 1],
								   wanted[i].type, memory, validity);
		memory += COLUMN_BYTES(wanted[i].type);
	}
	results->input.columns = results->views;
	results->input.rows = (uint64) results->batch->n;
	return fine;
}

const GstoreEngineInput *
gstore_results_rows(const GstoreResults *results, const uint16 **where)
{
	*where = results->batch->at;
	return &results->input;
}
