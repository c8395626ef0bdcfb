/*
 * engine_kernel.c
 *	  Programs as kernels take them; see engine_kernel.h.
 *
 * A program gives every value a register of its own.  Kernels keep registers in
 * shared memory, which is small: here values share slots, each from the
 * instruction that makes it to the last that uses it.  Must never give a slot
 * away that a row may still be asked for: what aggregates use lives to the end.
 */
#include "exec/engine_kernel.h"

#include "codec/arrow.h"
#include "exec/engine_program.h"
#include "kernel_ops.h"

/* Launches beyond this are not worth their copying. */
#define MOST_BYTES (UINT64_C(1) << 30)

#define NO_USE UINT32_MAX

/* While translating: by register. */
typedef struct Life
{
	uint32 last;	/* instruction that uses it last, the program's end at most */
	uint16 operand; /* slot or constant */
} Life;

typedef struct Translation
{
	const GstoreProgram *program;
	const GstoreRegister *registers;
	Life *lives;
	uint8 *taken; /* [slot]: a value is in it */
	uint32 nslots;
} Translation;

static uint32
code_bytes(const GstoreProgram *program)
{
	return (uint32) (program->ninstructions * sizeof(GstoreKernelInstruction) +
					 program->nregisters * sizeof(GstoreKernelConstant) +
					 program->nconjuncts * sizeof(GstoreKernelConjunct) +
					 program->naggregates * sizeof(GstoreKernelAggregate) +
					 4 * 16);
}

uint64
gstore_kernel_memory(const GstoreProgram *program)
{
	return code_bytes(program) + program->nregisters * (sizeof(Life) + 1) + 16;
}

/* ---- what kernels can do ---- */

static const char *
find_reason(const GstoreProgram *program)
{
	const GstoreInstruction *instructions =
		GSTORE_PROGRAM_PART(program, GstoreInstruction, instructions);
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program, GstoreProgramAggregate, aggregates);

	if (program->nkeys > 0)
		return "groups";
	for (int i = 0; i < program->nregisters; i++)
		if (registers[i].type == GSTORE_TYPE_TEXT)
			return "a text";
		else if (!gstore_type_is_word(registers[i].type))
			return "a value that does not fit 64 bits";
	for (int i = 0; i < program->ninstructions; i++)
		if (!gstore_kernel_has(instructions[i].opcode))
			return "an operator that kernels do not have";
	for (int i = 0; i < program->naggregates; i++)
		if (aggregates[i].distinct)
			return "DISTINCT in an aggregate";
		else if (aggregates[i].kind == GSTORE_AGGREGATE_MOMENTS ||
				 (aggregates[i].argument != GSTORE_NO_REGISTER &&
				  aggregates[i].kind != GSTORE_AGGREGATE_COUNT &&
				  aggregates[i].type == GSTORE_TYPE_OID))
			return "an aggregate that kernels do not have";
	return NULL;
}

/* ---- slots ---- */

static void
use(Translation *translation, uint16 reg, uint32 at)
{
	if (reg != GSTORE_NO_REGISTER &&
		(translation->lives[reg].last == NO_USE ||
		 translation->lives[reg].last < at))
		translation->lives[reg].last = at;
}

/* How many operands an instruction has: a, then b, then c. */
static int
operands_of(const GstoreInstruction *instruction)
{
	GstoreOpcode opcode = (GstoreOpcode) instruction->opcode;

	switch (opcode)
	{
		case GSTORE_OP_LOAD:
			return 0;
		case GSTORE_OP_AND:
		case GSTORE_OP_OR:
			return 2;
		case GSTORE_OP_IS_NULL:
		case GSTORE_OP_IS_NOT_NULL:
		case GSTORE_OP_IS_TRUE:
		case GSTORE_OP_IS_FALSE:
			return 1;
		case GSTORE_OP_DISTINCT:
		case GSTORE_OP_SELECT:
		case GSTORE_OP_COALESCE:
		case GSTORE_OP_NULLIF:
		case GSTORE_OP_CHOOSE:
			return 3;
		default:
			return gstore_opcode_argument(opcode, 1) < 0 ? 1 : 2;
	}
}

static void
find_lives(Translation *translation)
{
	const GstoreProgram *program = translation->program;
	const GstoreInstruction *instructions =
		GSTORE_PROGRAM_PART(program, GstoreInstruction, instructions);
	const GstoreConjunct *conjuncts =
		GSTORE_PROGRAM_PART(program, GstoreConjunct, conjuncts);
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program, GstoreProgramAggregate, aggregates);

	for (int i = 0; i < program->nregisters; i++)
		translation->lives[i].last = NO_USE;
	for (uint32 i = 0; i < program->ninstructions; i++)
	{
		int n = operands_of(&instructions[i]);

		/* also of a result nobody uses */
		use(translation, instructions[i].result, i);
		if (n > 0)
			use(translation, instructions[i].a, i);
		if (n > 1)
			use(translation, instructions[i].b, i);
		if (n > 2)
			use(translation, instructions[i].c, i);
	}
	/* a conjunct is looked at before the instruction behind it is run */
	for (int i = 0; i < program->nconjuncts; i++)
		use(translation, conjuncts[i].result, conjuncts[i].end);
	for (int i = 0; i < program->naggregates; i++)
	{
		use(translation, aggregates[i].argument, program->ninstructions);
		use(translation, aggregates[i].filter, program->ninstructions);
	}
}

/* Instruction i is about to be translated: values used last before it are
 * needed no more. */
static void
free_slots(Translation *translation, uint32 i)
{
	for (int reg = 0; reg < translation->program->nregisters; reg++)
	{
		Life *life = &translation->lives[reg];

		if (translation->registers[reg].is_constant || life->last == NO_USE ||
			life->last >= i)
			continue;
		translation->taken[life->operand] = 0;
		life->last = NO_USE;
	}
}

static uint16
take_slot(Translation *translation)
{
	uint16 slot = 0;

	while (translation->taken[slot])
		slot++;
	translation->taken[slot] = 1;
	translation->nslots = Max(translation->nslots, (uint32) slot + 1);
	return slot;
}

/* ---- translating ---- */

static void *
reserve(GstoreKernelProgram *to, uint32 *offset, uint64 bytes)
{
	void *memory = to->code + to->code_bytes;

	*offset = (uint32) sizeof(GstoreLaunch) + to->code_bytes;
	to->code_bytes += (uint32) GSTORE_ALIGN(bytes, 8);
	return memory;
}

static void
translate_constants(Translation *translation, GstoreKernelProgram *to)
{
	GstoreKernelConstant *constants =
		reserve(to, &to->launch.constants,
				translation->program->nregisters * sizeof(*constants));
	uint16 n = 0;

	for (int i = 0; i < translation->program->nregisters; i++)
	{
		const GstoreRegister *reg = &translation->registers[i];

		if (!reg->is_constant)
			continue;
		memset(&constants[n], 0, sizeof(constants[n]));
		constants[n].state = reg->state;
		if (reg->state == GSTORE_STATE_VALUE)
			memcpy(&constants[n].word,
				   (const uint8 *) translation->program + reg->value,
				   gstore_type_bytes(reg->type));
		translation->lives[i].operand = GSTORE_OPERAND_CONSTANT | n++;
	}
}

static void
translate_instructions(Translation *translation, GstoreKernelProgram *to)
{
	const GstoreProgram *program = translation->program;
	const GstoreInstruction *from =
		GSTORE_PROGRAM_PART(program, GstoreInstruction, instructions);
	GstoreKernelInstruction *instructions =
		reserve(to, &to->launch.instructions,
				program->ninstructions * sizeof(*instructions));
	Life *lives = translation->lives;

	for (uint32 i = 0; i < program->ninstructions; i++)
	{
		const GstoreRegister *reg = &translation->registers[from[i].result];
		int n = operands_of(&from[i]);
		uint16 a = n > 0 ? lives[from[i].a].operand : 0;
		uint16 b = n > 1 ? lives[from[i].b].operand : a;
		uint16 c = n > 2 ? lives[from[i].c].operand : a;

		free_slots(translation, i);
		lives[from[i].result].operand = take_slot(translation);
		instructions[i].opcode = from[i].opcode;
		instructions[i].result = lives[from[i].result].operand;
		instructions[i].a = n > 0 ? a : from[i].a;
		instructions[i].b = b;
		instructions[i].c = c;
		instructions[i].type = reg->type;
		instructions[i].scale = reg->scale;
	}
}

static uint16
operand_of(const Translation *translation, uint16 reg)
{
	return reg == GSTORE_NO_REGISTER ? reg : translation->lives[reg].operand;
}

static void
translate_rest(Translation *translation, GstoreKernelProgram *to)
{
	const GstoreProgram *program = translation->program;
	const GstoreConjunct *conjuncts =
		GSTORE_PROGRAM_PART(program, GstoreConjunct, conjuncts);
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program, GstoreProgramAggregate, aggregates);
	GstoreKernelConjunct *conjuncts_to =
		reserve(to, &to->launch.conjuncts,
				program->nconjuncts * sizeof(*conjuncts_to));
	GstoreKernelAggregate *aggregates_to =
		reserve(to, &to->launch.aggregates,
				program->naggregates * sizeof(*aggregates_to));

	for (int i = 0; i < program->nconjuncts; i++)
	{
		conjuncts_to[i].end = conjuncts[i].end;
		conjuncts_to[i].result = operand_of(translation, conjuncts[i].result);
	}
	for (int i = 0; i < program->naggregates; i++)
	{
		aggregates_to[i].kind = aggregates[i].kind;
		aggregates_to[i].type = aggregates[i].type;
		aggregates_to[i].argument = operand_of(translation,
											   aggregates[i].argument);
		aggregates_to[i].filter = operand_of(translation,
											 aggregates[i].filter);
		aggregates_to[i].padding = 0;
	}
}

uint32
gstore_kernel_shared(const GstoreKernelProgram *program)
{
	return (uint32) (GSTORE_KERNEL_WARPS * program->launch.nslots *
						 GSTORE_SLOT_BYTES +
					 program->launch.naggregates * GSTORE_ACCUMULATOR_BYTES);
}

bool
gstore_kernel_translate(const GstoreProgram *program, void *memory,
						GstoreKernelProgram *translated, const char **why)
{
	Translation translation = {.program = program};

	*why = find_reason(program);
	if (*why != NULL)
		return false;
	memset(memory, 0, gstore_kernel_memory(program));
	memset(translated, 0, sizeof(*translated));
	translated->program = program;
	translated->code = memory;
	translated->launch.ninstructions = program->ninstructions;
	translated->launch.nconjuncts = program->nconjuncts;
	translated->launch.naggregates = program->naggregates;
	translated->launch.ncolumns = program->ncolumns;
	translation.registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	translation.lives =
		(Life *) ((uint8 *) memory + GSTORE_ALIGN(code_bytes(program), 8));
	translation.taken = (uint8 *) (translation.lives + program->nregisters);
	find_lives(&translation);
	translate_constants(&translation, translated);
	translate_instructions(&translation, translated);
	translate_rest(&translation, translated);
	translated->launch.nslots = translation.nslots;
	if (gstore_kernel_shared(translated) > GSTORE_KERNEL_SHARED)
	{
		*why = "more values than shared memory holds";
		return false;
	}
	return true;
}

/* ---- columns ---- */

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
		column->precision = (uint8) Min(view->precision,
										GSTORE_SMALL_DECIMAL_DIGITS);
		column->values = (uintptr_t) view->values + view->values_bit / 8;
		column->values_bit = (uint8) (view->values_bit % 8);
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

bool
gstore_kernel_layout(const GstoreKernelProgram *program,
					 const GstoreEngineInput *inputs, int ninputs,
					 uint32 blocks, GstoreLaunchLayout *layout)
{
	GstoreLaunch *launch = &layout->launch;
	uint64 bytes = GSTORE_ALIGN(sizeof(GstoreLaunch) + program->code_bytes, 8);
	uint64 result_bytes = sizeof(GstoreLaunchResult);

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
	launch->max_blocks = blocks;
	bytes = GSTORE_ALIGN(bytes, 64);
	if (bytes > MOST_BYTES || launch->ntiles > MOST_BYTES / GSTORE_WARP)
		return false;
	launch->result = (uint32) bytes;
	if (blocks == 0)
	{
		launch->passes = (uint32) (bytes + result_bytes);
		result_bytes += launch->ntiles * GSTORE_WARP;
	}
	else
		result_bytes += (uint64) blocks * launch->naggregates *
						sizeof(GstorePartial);
	if (result_bytes > MOST_BYTES)
		return false;
	/* The result must be zero before; of a filter's passes all is written. */
	layout->copied_bytes =
		(uint32) (bytes + (blocks == 0 ? sizeof(GstoreLaunchResult)
									   : result_bytes));
	layout->result_bytes = (uint32) result_bytes;
	launch->bytes = (uint32) (bytes + result_bytes);
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

static void
state_of(const GstoreProgramAggregate *aggregate, const GstorePartial *partial,
		 GstoreAggregateState *state)
{
	memset(state, 0, sizeof(*state));
	state->count = (int64) partial->count;
	if (aggregate->type == GSTORE_TYPE_FLOAT4 ||
		aggregate->type == GSTORE_TYPE_FLOAT8)
	{
		memcpy(&state->value.real.sum, &partial->low, sizeof(double));
		state->infinite = partial->infinite != 0;
	}
	else
		state->value.integer =
			(GstoreInt128) ((GstoreUint128) partial->high << 64 | partial->low);
}

GstoreEngineStatus
gstore_kernel_absorb(const GstoreKernelProgram *program,
					 const GstoreLaunchLayout *layout, const void *result,
					 GstoreEngine *engine)
{
	const GstoreLaunchResult *head = result;
	const GstorePartial *partials = (const GstorePartial *) (head + 1);
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

		state_of(&aggregates[i % n], &partials[i], &state);
		status = gstore_engine_absorb(engine, (int) (i % n), &state);
	}
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
