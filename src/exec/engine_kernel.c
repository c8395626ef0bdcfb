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

#include "exec/engine_program.h"
#include "kernel_ops.h"

/* Groups of a warp's own table, powers of two; and bytes it may take. */
#define MOST_FEW 32
#define LEAST_FEW 8
#define FEW_BYTES (6 * 1024)

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

/* A register that is a text's constant: its bytes, and *data. */
static uint32
text_bytes(const GstoreProgram *program, const GstoreRegister *reg,
		   const uint8 **data)
{
	const uint8 *value = (const uint8 *) program + reg->value;
	uint32 length;

	if (!reg->is_constant || reg->type != GSTORE_TYPE_TEXT ||
		reg->state != GSTORE_STATE_VALUE)
		return 0;
	memcpy(&length, value, sizeof(length));
	*data = value + sizeof(length);
	return length;
}

static uint32
code_bytes(const GstoreProgram *program)
{
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	uint64 texts = 0;
	const uint8 *data;

	for (int i = 0; i < program->nregisters; i++)
		texts += GSTORE_ALIGN(text_bytes(program, &registers[i], &data), 8);
	return (uint32) (program->ninstructions * sizeof(GstoreKernelInstruction) +
					 program->nregisters * sizeof(GstoreKernelConstant) +
					 program->nconjuncts * sizeof(GstoreKernelConjunct) +
					 program->nkeys * sizeof(GstoreKernelKey) +
					 program->naggregates * sizeof(GstoreKernelAggregate) +
					 5 * 16 + texts);
}

uint64
gstore_kernel_memory(const GstoreProgram *program)
{
	return code_bytes(program) +
		   (uint64) program->nregisters * (sizeof(Life) + 1) +
		   program->nkeys + 1 + 16;
}

/* ---- what kernels can do ---- */

static bool
is_a_table(const GstoreProgram *program, uint16 reg)
{
	const GstoreInstruction *instructions =
		GSTORE_PROGRAM_PART(program, GstoreInstruction, instructions);

	for (int i = 0; i < program->ninstructions; i++)
		if (instructions[i].b == reg &&
			gstore_kernel_takes_table(instructions[i].opcode))
			return true;
	return false;
}

static const char *
find_register_reason(const GstoreProgram *program)
{
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	const uint8 *data;

	for (int i = 0; i < program->nregisters; i++)
		if (!gstore_type_is_word(registers[i].type))
			return "a value that does not fit 64 bits";
		else if (text_bytes(program, &registers[i], &data) > GSTORE_TEXT_MOST &&
				 !is_a_table(program, (uint16) i))
			return "a long text";
	return NULL;
}

static const char *
find_reason(const GstoreProgram *program)
{
	const GstoreInstruction *instructions =
		GSTORE_PROGRAM_PART(program, GstoreInstruction, instructions);
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program, GstoreProgramAggregate, aggregates);
	const uint16 *keys = GSTORE_PROGRAM_PART(program, uint16, keys);
	const char *why = find_register_reason(program);

	if (why != NULL)
		return why;
	if (program->nkeys > GSTORE_KERNEL_KEYS)
		return "too many columns to group by";
	for (int i = 0; i < program->nkeys; i++)
		if (registers[keys[i]].type == GSTORE_TYPE_OID)
			return "a key that kernels do not have";
	for (int i = 0; i < program->ninstructions; i++)
		if (!gstore_kernel_has(instructions[i].opcode))
			return "an operator that kernels do not have";
	for (int i = 0; i < program->naggregates; i++)
		if (aggregates[i].distinct)
			return "DISTINCT in an aggregate";
		else if (aggregates[i].argument != GSTORE_NO_REGISTER &&
				 aggregates[i].kind != GSTORE_AGGREGATE_COUNT &&
				 (aggregates[i].type == GSTORE_TYPE_OID ||
				  aggregates[i].type == GSTORE_TYPE_TEXT))
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
	const uint16 *keys = GSTORE_PROGRAM_PART(program, uint16, keys);

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
	for (int i = 0; i < program->nkeys; i++)
		use(translation, keys[i], program->ninstructions);
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

/* The bytes of a text go along, and those of a table. */
static uint64
translate_text(const GstoreProgram *program, const GstoreRegister *reg,
			   GstoreKernelProgram *to)
{
	const uint8 *data = NULL;
	uint32 length = text_bytes(program, reg, &data);
	uint32 at;
	void *memory = reserve(to, &at, length);

	if (length > 0)
		memcpy(memory, data, length);
	return (uint64) at << GSTORE_TEXT_LENGTH_BITS | Min(length,
														GSTORE_TEXT_MOST);
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
		if (reg->type == GSTORE_TYPE_TEXT)
			constants[n].word = translate_text(translation->program, reg, to);
		else if (reg->state == GSTORE_STATE_VALUE)
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
		if (gstore_kernel_by_row(from[i].opcode))
			instructions[i].opcode |= GSTORE_OPCODE_BY_ROW;
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

/* Behind all values come slots of keys, as they are compared, next to each
 * other. */
static void
translate_keys(Translation *translation, GstoreKernelProgram *to)
{
	const GstoreProgram *program = translation->program;
	const uint16 *keys = GSTORE_PROGRAM_PART(program, uint16, keys);
	GstoreKernelKey *keys_to = reserve(to, &to->launch.keys,
									   program->nkeys * sizeof(*keys_to));

	for (int i = 0; i < program->nkeys; i++)
	{
		keys_to[i].operand = operand_of(translation, keys[i]);
		keys_to[i].type = translation->registers[keys[i]].type;
		keys_to[i].padding = 0;
	}
	to->launch.key_slot = translation->nslots;
	if (program->nkeys > 0)
		translation->nslots += program->nkeys + 1;
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

GstoreKernel
gstore_kernel_of(const GstoreKernelProgram *program)
{
	return program->launch.nkeys > 0 ? GSTORE_KERNEL_GROUP
									 : GSTORE_KERNEL_SCAN;
}

uint32
gstore_kernel_shared(const GstoreKernelProgram *program)
{
	const GstoreLaunch *launch = &program->launch;

	return (uint32) (GSTORE_KERNEL_WARPS *
						 (launch->nslots * GSTORE_SLOT_BYTES +
						  launch->few_bytes) +
					 (launch->nkeys > 0 ? 0
										: launch->naggregates *
											  GSTORE_ACCUMULATOR_BYTES));
}

/* How large a warp's own table is: of as many groups as fit, with as many copies
 * as keep its lanes busy.  None, if there is no room. */
static void
size_few(GstoreKernelProgram *translated)
{
	GstoreLaunch *launch = &translated->launch;
	uint32 naggregates = launch->naggregates;
	uint32 records = MOST_FEW;

	while (records > LEAST_FEW &&
		   GSTORE_FEW_BYTES(records, records, launch->nkeys, naggregates) >
			   FEW_BYTES)
		records /= 2;
	launch->few = records;
	while (naggregates > 0 && records < MOST_FEW * LEAST_FEW &&
		   GSTORE_FEW_BYTES(launch->few, 2 * records, launch->nkeys,
							naggregates) <= FEW_BYTES)
		records *= 2;
	launch->few_records = records;
	while (naggregates > 0 && 2 * launch->copies * naggregates <= GSTORE_WARP &&
		   2 * launch->copies * LEAST_FEW <= records)
		launch->copies *= 2;
	launch->few_bytes = GSTORE_FEW_BYTES(launch->few, records, launch->nkeys,
										 naggregates);
	if (gstore_kernel_shared(translated) <= GSTORE_KERNEL_SHARED)
		return;
	launch->few = launch->few_records = launch->few_bytes = 0;
	launch->copies = 1;
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
	translated->launch.nkeys = program->nkeys;
	translated->launch.naggregates = program->naggregates;
	translated->launch.ncolumns = program->ncolumns;
	translated->launch.copies = 1;
	translation.registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	translation.lives =
		(Life *) ((uint8 *) memory + GSTORE_ALIGN(code_bytes(program), 8));
	translation.taken = (uint8 *) (translation.lives + program->nregisters);
	find_lives(&translation);
	translate_constants(&translation, translated);
	translate_instructions(&translation, translated);
	translate_keys(&translation, translated);
	translate_rest(&translation, translated);
	translated->launch.nslots = translation.nslots;
	if (program->nkeys > 0)
		size_few(translated);
	if (gstore_kernel_shared(translated) > GSTORE_KERNEL_SHARED)
	{
		*why = "more values than shared memory holds";
		return false;
	}
	return true;
}
