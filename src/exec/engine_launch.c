/*
 * engine_launch.c
 *	  Launches of kernels over columns, and what they tell; see engine_kernel.h.
 *
 * Results go into an engine of the same program, as if its threads had computed
 * them.  Includes no PostgreSQL header.
 */
#include <stdlib.h>

#include "codec/arrow.h"
#include "exec/engine_kernel.h"
#include "kernel_ops.h"

/* Launches beyond this are not worth their copying. */
#define MOST_BYTES (UINT64_C(1) << 30)

/* Bytes of records that come with the result. */
#define FIRST_RECORD_BYTES (256 * 1024)

/* ---- columns ---- */

static GstoreKernelLoad
load_of_text(const GstoreColumnView *view)
{
	if (view->encoding == GSTORE_ENCODING_PGSTROM_VARLENA)
		return (uintptr_t) view->values % 4 == 0 &&
					   (uintptr_t) view->base % 4 == 0
				   ? GSTORE_LOAD_VARLENA
				   : GSTORE_LOAD_BEYOND;
	if (view->encoding != GSTORE_ENCODING_ARROW_TEXT ||
		view->arrow_kind != GSTORE_ARROW_TEXT ||
		(uintptr_t) view->values % (view->large_text ? 8 : 4) != 0)
		return GSTORE_LOAD_BEYOND;
	return view->large_text ? GSTORE_LOAD_OFFSETS_8 : GSTORE_LOAD_OFFSETS_4;
}

/* How a column is loaded to a register; GSTORE_LOAD_BEYOND: it is not. */
static GstoreKernelLoad
load_of(const GstoreColumnView *view, const GstoreKernelInstruction *load)
{
	static const GstoreKernelLoad of_bytes[] = {
		[1] = GSTORE_LOAD_1, [2] = GSTORE_LOAD_2, [4] = GSTORE_LOAD_4, [8] = GSTORE_LOAD_8};
	uint32 bytes = gstore_type_bytes(load->type);
	GstoreKernelLoad kind = GSTORE_LOAD_BEYOND;
	uint32 alignment = 1;

	if (view->encoding == GSTORE_ENCODING_ABSENT)
		return GSTORE_LOAD_NULL;
	if (load->type == GSTORE_TYPE_TEXT)
		return load_of_text(view);
	if (view->encoding == GSTORE_ENCODING_ARROW_BITS &&
		load->type == GSTORE_TYPE_BOOL)
		return GSTORE_LOAD_BITS;
	if (view->encoding == GSTORE_ENCODING_FIXED &&
		load->type != GSTORE_TYPE_DECIMAL && view->stride == bytes &&
		view->attlen == (int16) bytes)
	{
		kind = of_bytes[bytes];
		alignment = bytes;
	}
	else if (view->encoding == GSTORE_ENCODING_ARROW_FIXED)
	{
		if (view->arrow_kind == GSTORE_ARROW_DATE &&
			load->type == GSTORE_TYPE_DATE)
			kind = GSTORE_LOAD_DATE;
		else if ((view->arrow_kind == GSTORE_ARROW_TIMESTAMP ||
				  view->arrow_kind == GSTORE_ARROW_TIMESTAMPTZ) &&
				 load->type == GSTORE_TYPE_TIMESTAMP)
			kind = GSTORE_LOAD_TIMESTAMP;
		else if (view->arrow_kind == GSTORE_ARROW_NUMERIC &&
				 load->type == GSTORE_TYPE_DECIMAL &&
				 view->scale == load->scale &&
				 view->precision <= GSTORE_SMALL_DECIMAL_DIGITS)
			kind = GSTORE_LOAD_DECIMAL;
		alignment = Min(bytes, 8);
	}
	return (uintptr_t) view->values % alignment == 0 ? kind
													 : GSTORE_LOAD_BEYOND;
}

static const GstoreKernelInstruction *
instructions_of(const GstoreKernelProgram *program)
{
	return (const GstoreKernelInstruction *) (program->code +
											  program->launch.instructions -
											  sizeof(GstoreLaunch));
}

bool
gstore_kernel_takes(const GstoreKernelProgram *program,
					const GstoreEngineInput *input)
{
	const GstoreKernelInstruction *instructions = instructions_of(program);

	for (uint32 i = 0; i < program->launch.ninstructions; i++)
		if (instructions[i].opcode == GSTORE_OP_LOAD &&
			load_of(&input->columns[instructions[i].a], &instructions[i]) ==
				GSTORE_LOAD_BEYOND)
			return false;
	return true;
}

static void
write_columns(const GstoreKernelProgram *program,
			  const GstoreEngineInput *input, GstoreKernelColumn *columns)
{
	const GstoreKernelInstruction *instructions = instructions_of(program);

	for (uint32 i = 0; i < program->launch.ninstructions; i++)
	{
		const GstoreColumnView *view = &input->columns[instructions[i].a];
		GstoreKernelColumn *column = &columns[instructions[i].a];

		if (instructions[i].opcode != GSTORE_OP_LOAD)
			continue;
		column->load = (uint8) load_of(view, &instructions[i]);
		column->limit =
			(uint64) gstore_power_of_ten(Min(view->precision,
											 GSTORE_SMALL_DECIMAL_DIGITS));
		column->values = (uintptr_t) view->values + view->values_bit / 8;
		column->values_bit = (uint8) (view->values_bit % 8);
		if (instructions[i].type == GSTORE_TYPE_TEXT)
		{
			column->base = (uintptr_t) view->base;
			column->base_from = view->base_from;
			column->base_to = view->base_to;
		}
		if (view->validity != NULL && column->load != GSTORE_LOAD_NULL)
		{
			column->validity = (uintptr_t) view->validity +
							   view->validity_bit / 8;
			column->validity_bit = (uint8) (view->validity_bit % 8);
		}
	}
}

/* ---- launches ---- */

static uint64
tiles_of(const GstoreEngineInput *input)
{
	return (input->rows + GSTORE_TILE_ROWS - 1) / GSTORE_TILE_ROWS;
}

/* Bytes of the part of a hidden bitmap that an input needs. */
static uint64
hidden_bytes(const GstoreEngineInput *input)
{
	if (input->hidden == NULL)
		return 0;
	return (input->hidden_bit % 8 + input->rows + 7) / 8;
}

/* Records, and behind them a table that is half full of them at most. */
static void
lay_out_groups(const GstoreKernelProgram *program, uint64 room,
			   GstoreLaunchLayout *layout)
{
	GstoreLaunch *launch = &layout->launch;
	uint64 record_bytes = gstore_kernel_record_bytes(program);

	launch->capacity = room;
	launch->records = launch->result + sizeof(GstoreLaunchResult);
	launch->table = GSTORE_ALIGN(launch->records + room * record_bytes, 64);
	launch->mask = 63;
	while (launch->mask < 2 * room)
		launch->mask = 2 * launch->mask + 1;
	layout->zero_at = launch->table;
	layout->zero_bytes = (launch->mask + 1) * sizeof(uint64);
	layout->copied_bytes = launch->records;
	layout->result_bytes = sizeof(GstoreLaunchResult) +
						   Min(room,
							   Max(1, FIRST_RECORD_BYTES / record_bytes)) *
							   record_bytes;
	launch->bytes = launch->table + layout->zero_bytes;
}

bool
gstore_kernel_layout(const GstoreKernelProgram *program,
					 const GstoreEngineInput *inputs, int ninputs,
					 uint64 room, GstoreLaunchLayout *layout)
{
	GstoreLaunch *launch = &layout->launch;
	uint64 bytes = GSTORE_ALIGN(sizeof(GstoreLaunch) + program->code_bytes, 8);
	uint64 result_bytes = sizeof(GstoreLaunchResult);

	memset(layout, 0, sizeof(*layout));
	*launch = program->launch;
	launch->npieces = (uint32) ninputs;
	launch->ntiles = 0;
	launch->pieces = (uint32) bytes;
	bytes += ninputs * sizeof(GstoreKernelPiece);
	launch->columns = (uint32) bytes;
	bytes += (uint64) ninputs * launch->ncolumns * sizeof(GstoreKernelColumn);
	for (int i = 0; i < ninputs; i++)
	{
		bytes += GSTORE_ALIGN(hidden_bytes(&inputs[i]), 8);
		launch->ntiles += tiles_of(&inputs[i]);
	}
	bytes = GSTORE_ALIGN(bytes, 64);
	if (bytes > MOST_BYTES ||
		(room == 0 && launch->ntiles > MOST_BYTES / GSTORE_WARP))
		return false;
	launch->result = (uint32) bytes;
	if (launch->nkeys > 0)
	{
		lay_out_groups(program, room, layout);
		return true;
	}
	launch->max_blocks = (uint32) room;
	if (room == 0)
	{
		launch->passes = (uint32) (bytes + result_bytes);
		result_bytes += launch->ntiles * GSTORE_WARP;
	}
	else
		result_bytes += room * launch->naggregates * sizeof(GstoreAccumulator);
	if (result_bytes > MOST_BYTES)
		return false;
	/* The result must be zero before; of a filter's passes all is written. */
	layout->copied_bytes =
		bytes + (room == 0 ? sizeof(GstoreLaunchResult) : result_bytes);
	layout->result_bytes = result_bytes;
	launch->bytes = bytes + result_bytes;
	return true;
}

void
gstore_kernel_write(const GstoreKernelProgram *program,
					const GstoreEngineInput *inputs, int ninputs,
					const GstoreLaunchLayout *layout, void *memory)
{
	const GstoreLaunch *launch = &layout->launch;
	uint8 *to = memory;
	GstoreKernelPiece *pieces = (GstoreKernelPiece *) (to + launch->pieces);
	GstoreKernelColumn *columns =
		(GstoreKernelColumn *) (to + launch->columns);
	uint64 at = launch->columns + (uint64) ninputs * launch->ncolumns *
									  sizeof(GstoreKernelColumn);
	uint64 tiles = 0;

	memset(to, 0, layout->copied_bytes);
	memcpy(to, launch, sizeof(*launch));
	memcpy(to + sizeof(*launch), program->code, program->code_bytes);
	for (int i = 0; i < ninputs; i++)
	{
		uint64 bytes = hidden_bytes(&inputs[i]);

		pieces[i].rows = inputs[i].rows;
		pieces[i].first_tile = tiles;
		tiles += tiles_of(&inputs[i]);
		if (bytes > 0)
		{
			pieces[i].hidden = (uint32) at;
			pieces[i].hidden_bit = (uint32) (inputs[i].hidden_bit % 8);
			memcpy(to + at, inputs[i].hidden + inputs[i].hidden_bit / 8,
				   bytes);
			at += GSTORE_ALIGN(bytes, 8);
		}
		write_columns(program, &inputs[i],
					  columns + (uint64) i * launch->ncolumns);
	}
}

/* ---- results ---- */

static bool
is_real(const GstoreProgramAggregate *aggregate)
{
	return aggregate->type == GSTORE_TYPE_FLOAT4 ||
		   aggregate->type == GSTORE_TYPE_FLOAT8;
}

/* Sums of integers are of 128 bits, all else of 64. */
static GstoreInt128
integer_of(const GstoreProgramAggregate *aggregate, uint64 low, uint64 high)
{
	return aggregate->kind == GSTORE_AGGREGATE_SUM
			   ? (GstoreInt128) ((GstoreUint128) high << 64 | low)
			   : (GstoreInt128) (int64) low;
}

static void
count_of(uint64 count, GstoreAggregateState *state)
{
	memset(state, 0, sizeof(*state));
	state->count = (int64) (count & ~GSTORE_SAW_INFINITE);
	state->infinite = (count & GSTORE_SAW_INFINITE) != 0;
}

/* What a block has accumulated. */
static void
state_of(const GstoreProgramAggregate *aggregate,
		 const GstoreAccumulator *accumulator, GstoreAggregateState *state)
{
	count_of(accumulator->count, state);
	if (!is_real(aggregate))
	{
		state->value.integer = integer_of(aggregate, accumulator->low,
										  accumulator->high);
		return;
	}
	state->value.real.sum = gstore_word_float8(accumulator->low);
	if (aggregate->kind == GSTORE_AGGREGATE_MOMENTS)
		state->value.real.deviations = gstore_word_float8(accumulator->high);
}

/* Squared deviations from the mean, of those from something near it. */
static double
deviations_of(double sum, double from_middle, double middle, int64 count)
{
	double apart = sum - (double) count * middle;
	double deviations = from_middle - apart * apart / (double) count;

	return deviations < 0 ? 0 : deviations;
}

/* What all have accumulated of a group. */
static void
shared_state_of(const GstoreProgramAggregate *aggregate,
				const GstoreSharedState *shared, GstoreAggregateState *state)
{
	count_of(shared->count, state);
	if (state->count == 0)
		return;
	if (!is_real(aggregate))
		state->value.integer = integer_of(aggregate, shared->low, shared->high);
	else if (aggregate->kind == GSTORE_AGGREGATE_MIN ||
			 aggregate->kind == GSTORE_AGGREGATE_MAX)
		state->value.real.sum = gstore_unrank((int64) shared->low);
	else
		state->value.real.sum = gstore_word_float8(shared->low);
	if (aggregate->kind == GSTORE_AGGREGATE_MOMENTS)
		state->value.real.deviations =
			deviations_of(state->value.real.sum,
						  gstore_word_float8(shared->high),
						  gstore_word_float8(shared->middle), state->count);
}

GstoreEngineStatus
gstore_kernel_absorb(const GstoreKernelProgram *program,
					 const GstoreLaunchLayout *layout, const void *result,
					 GstoreEngine *engine)
{
	const GstoreLaunchResult *head = result;
	const GstoreAccumulator *accumulators =
		(const GstoreAccumulator *) (head + 1);
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program->program, GstoreProgramAggregate,
							aggregates);
	uint32 n = program->launch.naggregates;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	if (head->error != 0)
		return gstore_engine_refuse(engine, (int) head->error);
	for (uint32 i = 0;
		 i < Min(head->blocks, layout->launch.max_blocks) * n &&
		 status == GSTORE_ENGINE_OK;
		 i++)
	{
		GstoreAggregateState state;

		state_of(&aggregates[i % n], &accumulators[i], &state);
		status = gstore_engine_absorb(engine, (int) (i % n), &state);
	}
	return status;
}

static bool
loads_texts(const GstoreKernelProgram *program)
{
	const GstoreKernelInstruction *instructions = instructions_of(program);

	for (uint32 i = 0; i < program->launch.ninstructions; i++)
		if (instructions[i].opcode == GSTORE_OP_LOAD &&
			instructions[i].type == GSTORE_TYPE_TEXT)
			return true;
	return false;
}

const char *
gstore_kernel_left(const GstoreKernelProgram *program, const void *result)
{
	const GstoreLaunchResult *head = result;

	if (head->left != 0)
		return "a text of more than 8 bytes to group by";
	if (head->error == GSTORE_STATE_BEYOND && loads_texts(program))
		return "a text that is compressed, or long";
	return NULL;
}

GstoreGroupOutcome
gstore_kernel_groups(const GstoreLaunchLayout *layout, const void *result,
					 uint64 *number)
{
	const GstoreLaunchResult *head = result;

	*number = head->error != 0 ? head->error : head->ngroups;
	if (head->left != 0)
		return GSTORE_GROUPS_LEFT;
	if (head->error != 0)
		return GSTORE_GROUPS_FAILED;
	return head->ngroups > layout->launch.capacity ? GSTORE_GROUPS_MORE
												   : GSTORE_GROUPS_TOLD;
}

uint64
gstore_kernel_record_bytes(const GstoreKernelProgram *program)
{
	return sizeof(uint64) * GSTORE_RECORD_WORDS((uint64) program->launch.nkeys,
												(uint64) program->launch.naggregates);
}

/* A key as the engine has it. */
static GstoreGroupKey
key_of(const GstoreRegister *reg, uint64 word, bool is_null)
{
	GstoreGroupKey key = {word, 0};

	if (is_null)
	{
		key.meta = GSTORE_KEY_NULL;
		return key;
	}
	if (reg->type == GSTORE_TYPE_DECIMAL)
		key.meta = reg->scale;
	if (reg->type == GSTORE_TYPE_TEXT)
		for (; word != 0; word >>= 8)
			key.meta++;
	return key;
}

GstoreEngineStatus
gstore_kernel_absorb_groups(const GstoreKernelProgram *program,
							const void *records, uint64 n,
							GstoreEngine *engine)
{
	const GstoreProgram *from = program->program;
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(from, GstoreProgramAggregate, aggregates);
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(from, GstoreRegister, registers);
	const uint16 *key_registers = GSTORE_PROGRAM_PART(from, uint16, keys);
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	const uint64 *record = records;
	GstoreGroupKey keys[GSTORE_KERNEL_KEYS];
	GstoreAggregateState *states = malloc((from->naggregates + 1) *
										  sizeof(GstoreAggregateState));

	if (states == NULL)
		return GSTORE_ENGINE_OUT_OF_MEMORY;
	for (uint64 i = 0; i < n && status == GSTORE_ENGINE_OK; i++)
	{
		const GstoreSharedState *shared;
		uint64 nulls = record[from->nkeys];

		for (int k = 0; k < from->nkeys; k++)
			keys[k] = key_of(&registers[key_registers[k]], record[k],
							 (nulls >> k & 1) != 0);
		shared = (const GstoreSharedState *) (record + from->nkeys + 1);
		for (int j = 0; j < from->naggregates; j++)
			shared_state_of(&aggregates[j], &shared[j], &states[j]);
		status = gstore_engine_absorb_group(engine, keys, states);
		record += GSTORE_RECORD_WORDS(from->nkeys, from->naggregates);
	}
	free(states);
	return status;
}

void
gstore_kernel_passes(const GstoreLaunchLayout *layout, const void *result,
					 uint64 first_tile, uint64 from, uint64 count,
					 uint8 *pass, uint8 *recheck)
{
	const uint8 *told = (const uint8 *) result + sizeof(GstoreLaunchResult) +
						first_tile * GSTORE_WARP + from / GSTORE_LANE_ROWS;

	(void) layout;
	for (uint64 i = 0; i < (count + 7) / 8; i++)
	{
		uint8 low = told[2 * i];
		uint8 high = 8 * i + 4 < count ? told[2 * i + 1] : 0;

		pass[i] = (uint8) ((low & 0x0F) | (high & 0x0F) << 4);
		recheck[i] = (uint8) (low >> 4 | (high & 0xF0));
	}
}
