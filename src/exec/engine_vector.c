/*
 * engine_vector.c
 *	  Running instructions over vectors of rows.
 *
 * Each operator of opcodes.def becomes two loops: one for rows that all have
 * values, which compilers turn into vector instructions where they can, and one
 * that looks at states and selections.  Includes no PostgreSQL header.
 */
#include <stdlib.h>

#include "exec/engine_vector.h"

/* ---- operators ---- */

typedef void (*OperatorLoop)(GstoreVector *r, const GstoreVector *a,
							 const GstoreVector *b, const uint16 *selection,
							 int n);

#define EACH_SELECTED(statement) \
	do \
	{ \
		if (selection == NULL) \
		{ \
			for (int at = 0; at < n; at++) \
				statement \
		} \
		else \
		{ \
			for (int i = 0; i < n; i++) \
			{ \
				int at = selection[i]; \
\
				statement \
			} \
		} \
	} while (0)

/* A state of a vector that is clean may never have been written. */
#define STATE_AT(vector) ((vector)->clean ? 0 : (vector)->states[at])

#define GSTORE_OP1(NAME, function, result, atype) \
	GSTORE_VECTORISED static void loop_##NAME(GstoreVector *r, const GstoreVector *a, \
											  const GstoreVector *b, const uint16 *selection, \
											  int n) \
	{ \
		gstore_##result *restrict to = r->own; \
		const gstore_##atype *av = a->values; \
		uint8 *restrict states = r->states; \
		uint8 seen = 0; \
\
		(void) b; \
		if (a->clean) \
			EACH_SELECTED({ \
				states[at] = gstore_op_##function(&to[at], av[at]); \
				seen |= states[at]; \
			}); \
		else \
			EACH_SELECTED({ \
				states[at] = a->states[at] \
								 ? a->states[at] \
								 : gstore_op_##function(&to[at], av[at]); \
				seen |= states[at]; \
			}); \
		r->clean = seen == 0; \
	}
#define GSTORE_OP2(NAME, function, result, atype, btype) \
	GSTORE_VECTORISED static void loop_##NAME(GstoreVector *r, const GstoreVector *a, \
											  const GstoreVector *b, const uint16 *selection, \
											  int n) \
	{ \
		gstore_##result *restrict to = r->own; \
		const gstore_##atype *av = a->values; \
		const gstore_##btype *bv = b->values; \
		uint8 *restrict states = r->states; \
		uint8 seen = 0; \
\
		if (a->clean && b->clean) \
			EACH_SELECTED({ \
				states[at] = gstore_op_##function(&to[at], av[at], bv[at]); \
				seen |= states[at]; \
			}); \
		else \
			EACH_SELECTED({ \
				uint8 joined = gstore_state_join(STATE_AT(a), STATE_AT(b)); \
\
				if (joined == GSTORE_STATE_VALUE) \
					joined = gstore_op_##function(&to[at], av[at], bv[at]); \
				states[at] = joined; \
				seen |= joined; \
			}); \
		r->clean = seen == 0; \
	}
#include "opcodes.def"

static const OperatorLoop operator_loops[GSTORE_OP_COUNT] = {
#define GSTORE_OP1(NAME, function, result, a) [GSTORE_OP_##NAME] = loop_##NAME,
#define GSTORE_OP2(NAME, function, result, a, b) [GSTORE_OP_##NAME] = loop_##NAME,
#include "opcodes.def"
};

/* ---- what is not strict ---- */

static void
run_logic(GstoreMachine *machine, const GstoreInstruction *instruction,
		  const uint16 *selection, int n)
{
	GstoreVector *r = &machine->registers[instruction->result];
	const GstoreVector *a = &machine->registers[instruction->a];
	const GstoreVector *b = &machine->registers[instruction->b];
	const GstoreVector *c = &machine->registers[instruction->c];
	gstore_logic *to = r->own;
	const gstore_logic *av = a->values;
	const gstore_logic *bv = b->values;
	uint8 seen = 0;

	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint8 as = STATE_AT(a);
		uint8 state = as > GSTORE_STATE_NULL ? as
											 : (uint8) GSTORE_STATE_VALUE;

		switch (instruction->opcode)
		{
			case GSTORE_OP_AND:
				state = gstore_op_and(&to[at], av[at], as, bv[at],
									  STATE_AT(b));
				break;
			case GSTORE_OP_OR:
				state = gstore_op_or(&to[at], av[at], as, bv[at],
									 STATE_AT(b));
				break;
			case GSTORE_OP_IS_NULL:
				to[at] = as == GSTORE_STATE_NULL;
				break;
			case GSTORE_OP_IS_NOT_NULL:
				to[at] = as != GSTORE_STATE_NULL;
				break;
			case GSTORE_OP_IS_TRUE:
				to[at] = as == GSTORE_STATE_VALUE && av[at];
				break;
			case GSTORE_OP_IS_FALSE:
				to[at] = as == GSTORE_STATE_VALUE && !av[at];
				break;
			default:
				state = gstore_op_distinct(&to[at], av[at], as, STATE_AT(b),
										   STATE_AT(c));
				break;
		}
		r->states[at] = state;
		seen |= state;
	}
	r->clean = seen == 0;
}

static void
run_pick(GstoreMachine *machine, const GstoreInstruction *instruction,
		 const uint16 *selection, int n)
{
	GstoreVector *r = &machine->registers[instruction->result];
	const GstoreVector *a = &machine->registers[instruction->a];
	const GstoreVector *operands[2] = {&machine->registers[instruction->b],
									   &machine->registers[instruction->c]};
	uint32 bytes = gstore_type_bytes(
		GSTORE_PROGRAM_PART(machine->program, GstoreRegister,
							registers)[instruction->result]
			.type);
	bool looks = instruction->opcode != GSTORE_OP_COALESCE;
	const gstore_logic *av = a->values;
	uint8 seen = 0;

	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint8 as = looks ? STATE_AT(a) : 0;
		uint8 state = GSTORE_STATE_NULL;
		int which = gstore_op_pick(instruction->opcode, looks && av[at], as,
								   STATE_AT(operands[0]),
								   STATE_AT(operands[1]), &state);

		if (which > 0)
		{
			const GstoreVector *from = operands[which - 1];

			state = STATE_AT(from);
			if (state == GSTORE_STATE_VALUE)
				memcpy((uint8 *) r->own + (size_t) at * bytes,
					   (const uint8 *) from->values + (size_t) at * bytes,
					   bytes);
		}
		r->states[at] = state;
		seen |= state;
	}
	r->clean = seen == 0;
}

void
gstore_machine_run(GstoreMachine *machine, int from, int to,
				   const uint16 *selection, int n)
{
	const GstoreInstruction *instructions =
		GSTORE_PROGRAM_PART(machine->program, GstoreInstruction, instructions);

	for (int i = from; i < to; i++)
	{
		const GstoreInstruction *instruction = &instructions[i];

		if (instruction->opcode == GSTORE_OP_LOAD)
			gstore_machine_load(machine, instruction, selection, n);
		else if (instruction->opcode < GSTORE_OP_SELECT)
			run_logic(machine, instruction, selection, n);
		else if (instruction->opcode <= GSTORE_OP_CHOOSE)
			run_pick(machine, instruction, selection, n);
		else
			operator_loops[instruction->opcode](&machine->registers[instruction->result],
												&machine->registers[instruction->a],
												&machine->registers[instruction->b],
												selection, n);
	}
}

/* ---- the registers ---- */

/* A constant is a vector like any other, filled once. */
static void
fill_constant(const GstoreProgram *program, const GstoreRegister *reg,
			  GstoreVector *vector)
{
	const uint8 *value = (const uint8 *) program + reg->value;
	uint32 bytes = gstore_type_bytes(reg->type);
	GstoreText text = {NULL, 0};

	vector->clean = reg->state == GSTORE_STATE_VALUE;
	memset(vector->states, reg->state, GSTORE_VECTOR_ROWS);
	if (!vector->clean)
		return;
	if (reg->type == GSTORE_TYPE_TEXT)
	{
		text.length = gstore_read_u32(value);
		text.data = value + sizeof(uint32);
		value = (const uint8 *) &text;
	}
	for (int i = 0; i < GSTORE_VECTOR_ROWS; i++)
		memcpy((uint8 *) vector->own + (size_t) i * bytes, value, bytes);
}

bool
gstore_machine_init(GstoreMachine *machine, const GstoreProgram *program)
{
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	uint64 bytes = 0;
	uint8 *memory;

	memset(machine, 0, sizeof(*machine));
	machine->program = program;
	for (int i = 0; i < program->nregisters; i++)
		bytes += (gstore_type_bytes(registers[i].type) + 1) *
				 (uint64) GSTORE_VECTOR_ROWS;
	machine->registers = calloc(program->nregisters + 1,
								sizeof(GstoreVector));
	machine->memory = aligned_alloc(64, GSTORE_ALIGN(bytes + 64, 64));
	if (machine->registers == NULL || machine->memory == NULL)
	{
		gstore_machine_free(machine);
		return false;
	}
	memory = machine->memory;
	memset(memory, 0, bytes);
	for (int i = 0; i < program->nregisters; i++)
	{
		GstoreVector *vector = &machine->registers[i];

		vector->own = vector->values = memory;
		memory += (size_t) gstore_type_bytes(registers[i].type) *
				  GSTORE_VECTOR_ROWS;
		vector->states = memory;
		memory += GSTORE_VECTOR_ROWS;
		if (registers[i].is_constant)
			fill_constant(program, &registers[i], vector);
	}
	return true;
}

void
gstore_machine_free(GstoreMachine *machine)
{
	gstore_machine_free_plain(machine);
	free(machine->registers);
	free(machine->memory);
	memset(machine, 0, sizeof(*machine));
}
