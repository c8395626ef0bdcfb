/*
 * engine_program.c
 *	  Building programs; see engine_program.h.
 *
 * Includes no PostgreSQL header.
 */
#include <stdlib.h>

#include "exec/engine_program.h"

/* Growing arrays of the parts of a program. */
typedef struct Part
{
	uint8 *data;
	uint32 bytes;
	uint32 room;
} Part;

typedef enum PartName
{
	COLUMNS,
	REGISTERS,
	INSTRUCTIONS,
	CONJUNCTS,
	KEYS,
	AGGREGATES,
	CONSTANTS,
	NPARTS
} PartName;

struct GstoreProgramBuilder
{
	const GstoreAllocator *allocator;
	bool failed;
	bool is_aggregate;
	Part parts[NPARTS];
};

typedef struct OpcodeTypes
{
	int8 result;
	int8 arguments[2];
} OpcodeTypes;

/* GSTORE_TYPE_ names by the lower-case words of opcodes.def */
enum
{
#define TYPE(name, ctype) type_##ctype = GSTORE_TYPE_##name,
	GSTORE_TYPE_LIST(TYPE)
#undef TYPE
};

static const OpcodeTypes opcode_types[GSTORE_OP_COUNT] = {
#define GSTORE_OP1(NAME, function, result, a) \
	[GSTORE_OP_##NAME] = {type_##result, {type_##a, -1}},
#define GSTORE_OP2(NAME, function, result, a, b) \
	[GSTORE_OP_##NAME] = {type_##result, {type_##a, type_##b}},
#include "opcodes.def"
};

int
gstore_opcode_argument(GstoreOpcode opcode, int argument)
{
	return opcode_types[opcode].arguments[argument];
}

GstoreType
gstore_opcode_result(GstoreOpcode opcode, GstoreType b)
{
	if (opcode >= GSTORE_OP_SELECT && opcode <= GSTORE_OP_CHOOSE)
		return b;
	return opcode > GSTORE_OP_CHOOSE ? (GstoreType) opcode_types[opcode].result
									 : GSTORE_TYPE_BOOL;
}

GstoreProgramBuilder *
gstore_program_begin(const GstoreAllocator *allocator)
{
	GstoreProgramBuilder *builder = allocator->alloc(allocator->state,
													 sizeof(*builder));

	if (builder != NULL)
	{
		memset(builder, 0, sizeof(*builder));
		builder->allocator = allocator;
	}
	return builder;
}

void
gstore_program_end(GstoreProgramBuilder *builder)
{
	const GstoreAllocator *allocator = builder->allocator;

	for (int i = 0; i < NPARTS; i++)
		if (builder->parts[i].data != NULL)
			allocator->free(allocator->state, builder->parts[i].data);
	allocator->free(allocator->state, builder);
}

/* Room for more bytes at the end of a part; NULL when out of memory. */
static void *
extend(GstoreProgramBuilder *builder, PartName name, uint32 bytes)
{
	const GstoreAllocator *allocator = builder->allocator;
	Part *part = &builder->parts[name];

	if (builder->failed || bytes > (1U << 30) - part->bytes)
	{
		builder->failed = true;
		return NULL;
	}
	if (part->bytes + bytes > part->room)
	{
		uint32 room = Max(part->room * 2, part->bytes + bytes + 256);
		uint8 *data = part->data == NULL
						  ? allocator->alloc(allocator->state, room)
						  : allocator->resize(allocator->state, part->data,
											  room);

		if (data == NULL)
		{
			builder->failed = true;
			return NULL;
		}
		part->data = data;
		part->room = room;
	}
	part->bytes += bytes;
	return memset(part->data + part->bytes - bytes, 0, bytes);
}

static uint16
add_register(GstoreProgramBuilder *builder, GstoreType type)
{
	uint32 n = builder->parts[REGISTERS].bytes / sizeof(GstoreRegister);
	GstoreRegister *reg;

	if (n >= GSTORE_MAX_REGISTERS)
		builder->failed = true;
	reg = extend(builder, REGISTERS, sizeof(GstoreRegister));
	if (reg == NULL)
		return 0;
	reg->type = (uint8) type;
	return (uint16) n;
}

static GstoreType
type_of(const GstoreProgramBuilder *builder, uint16 reg)
{
	const GstoreRegister *registers =
		(const GstoreRegister *) builder->parts[REGISTERS].data;

	return builder->failed ? GSTORE_TYPE_BOOL
						   : (GstoreType) registers[reg].type;
}

/* The result of an instruction like this one, new or not. */
static uint16
add_instruction(GstoreProgramBuilder *builder, GstoreInstruction like,
				GstoreType type)
{
	const Part *part = &builder->parts[INSTRUCTIONS];
	const GstoreInstruction *old = (const GstoreInstruction *) part->data;
	GstoreInstruction *instruction;

	for (uint32 i = 0; i < part->bytes / sizeof(*old); i++)
		if (old[i].opcode == like.opcode && old[i].a == like.a &&
			old[i].b == like.b && old[i].c == like.c)
			return old[i].result;
	like.result = add_register(builder, type);
	instruction = extend(builder, INSTRUCTIONS, sizeof(*instruction));
	if (instruction != NULL)
		*instruction = like;
	return like.result;
}

uint16
gstore_program_column(GstoreProgramBuilder *builder, int16 attnum,
					  GstoreType type)
{
	const Part *part = &builder->parts[COLUMNS];
	const GstoreProgramColumn *columns =
		(const GstoreProgramColumn *) part->data;
	uint32 n = part->bytes / sizeof(*columns);
	GstoreInstruction load = {.opcode = GSTORE_OP_LOAD};
	uint32 i;

	for (i = 0; i < n; i++)
		if (columns[i].attnum == attnum)
			break;
	if (i == n)
	{
		GstoreProgramColumn *column = extend(builder, COLUMNS,
											 sizeof(*column));

		if (column == NULL)
			return 0;
		column->attnum = attnum;
		column->type = (uint8) type;
	}
	load.a = (uint16) i;
	return add_instruction(builder, load, type);
}

uint16
gstore_program_constant(GstoreProgramBuilder *builder, GstoreType type,
						uint8 state, const void *value)
{
	uint16 result = add_register(builder, type);
	uint32 at = (uint32) GSTORE_ALIGN(builder->parts[CONSTANTS].bytes, 16);
	uint32 bytes = gstore_type_bytes(type);
	const GstoreText *text = value;
	GstoreRegister *reg;
	uint8 *to = NULL;

	if (builder->failed)
		return 0;
	if (state != GSTORE_STATE_VALUE)
		bytes = 0;
	else if (type == GSTORE_TYPE_TEXT)
	{
		if (text->length > 1U << 29)
		{
			builder->failed = true;
			return 0;
		}
		bytes = (uint32) (sizeof(uint32) + text->length);
	}
	/* NULL and errors take no bytes */
	if (bytes > 0)
	{
		to = extend(builder, CONSTANTS,
					at - builder->parts[CONSTANTS].bytes + bytes);
		if (to == NULL)
			return 0;
		to = builder->parts[CONSTANTS].data + at;
	}
	if (bytes > 0 && type == GSTORE_TYPE_TEXT)
	{
		uint32 length = (uint32) text->length;

		memcpy(to, &length, sizeof(length));
		if (length > 0)
			memcpy(to + sizeof(length), text->data, length);
	}
	else if (bytes > 0)
		memcpy(to, value, bytes);
	reg = (GstoreRegister *) builder->parts[REGISTERS].data + result;
	reg->is_constant = 1;
	reg->state = state;
	reg->value = at;
	return result;
}

uint16
gstore_program_operator(GstoreProgramBuilder *builder, GstoreOpcode opcode,
						uint16 a, uint16 b, uint16 c)
{
	GstoreInstruction instruction = {.opcode = (uint16) opcode, .a = a, .b = b, .c = c};

	if (builder->failed)
		return 0;
	return add_instruction(builder, instruction,
						   gstore_opcode_result(opcode,
												type_of(builder,
														b)));
}

void
gstore_program_set_scale(GstoreProgramBuilder *builder, uint16 reg,
						 uint8 scale)
{
	if (!builder->failed)
		((GstoreRegister *) builder->parts[REGISTERS].data)[reg].scale = scale;
}

void
gstore_program_filter(GstoreProgramBuilder *builder, uint16 result)
{
	GstoreConjunct *conjunct = extend(builder, CONJUNCTS, sizeof(*conjunct));

	if (conjunct == NULL)
		return;
	conjunct->end = (uint16) (builder->parts[INSTRUCTIONS].bytes /
							  sizeof(GstoreInstruction));
	conjunct->result = result;
}

void
gstore_program_key(GstoreProgramBuilder *builder, uint16 key)
{
	uint16 *to = extend(builder, KEYS, sizeof(*to));

	builder->is_aggregate = true;
	if (to != NULL)
		*to = key;
}

uint16
gstore_program_aggregate(GstoreProgramBuilder *builder,
						 GstoreAggregateKind kind, uint16 argument,
						 uint16 filter, bool distinct)
{
	const Part *part = &builder->parts[AGGREGATES];
	GstoreProgramAggregate *to = (GstoreProgramAggregate *) part->data;
	uint16 n = (uint16) (part->bytes / sizeof(*to));

	builder->is_aggregate = true;
	for (uint16 i = 0; i < n; i++)
		if (to[i].kind == kind && to[i].argument == argument &&
			to[i].filter == filter && to[i].distinct == distinct)
			return i;
	to = extend(builder, AGGREGATES, sizeof(*to));
	if (to == NULL)
		return 0;
	to->kind = (uint8) kind;
	to->argument = argument;
	to->filter = filter;
	to->distinct = distinct;
	if (argument != GSTORE_NO_REGISTER)
		to->type = (uint8) type_of(builder, argument);
	return n;
}

GstoreProgram *
gstore_program_finish(GstoreProgramBuilder *builder)
{
	uint32 offsets[NPARTS];
	uint64 bytes = sizeof(GstoreProgram);
	GstoreProgram *program;
	GstoreRegister *registers;

	if (builder->failed)
		return NULL;
	for (int i = 0; i < NPARTS; i++)
	{
		bytes = GSTORE_ALIGN(bytes, 16);
		offsets[i] = (uint32) bytes;
		bytes += builder->parts[i].bytes;
	}
	program = bytes > UINT32_MAX
				  ? NULL
				  : builder->allocator->alloc(builder->allocator->state,
											  bytes);
	if (program == NULL)
		return NULL;
	memset(program, 0, bytes);
	program->magic = GSTORE_PROGRAM_MAGIC;
	program->bytes = (uint32) bytes;
	program->ncolumns = (uint16) (builder->parts[COLUMNS].bytes /
								  sizeof(GstoreProgramColumn));
	program->nregisters = (uint16) (builder->parts[REGISTERS].bytes /
									sizeof(GstoreRegister));
	program->ninstructions = (uint16) (builder->parts[INSTRUCTIONS].bytes /
									   sizeof(GstoreInstruction));
	program->nconjuncts = (uint16) (builder->parts[CONJUNCTS].bytes /
									sizeof(GstoreConjunct));
	program->nkeys = (uint16) (builder->parts[KEYS].bytes / sizeof(uint16));
	program->naggregates = (uint16) (builder->parts[AGGREGATES].bytes /
									 sizeof(GstoreProgramAggregate));
	program->is_aggregate = builder->is_aggregate;
	program->columns = offsets[COLUMNS];
	program->registers = offsets[REGISTERS];
	program->instructions = offsets[INSTRUCTIONS];
	program->conjuncts = offsets[CONJUNCTS];
	program->keys = offsets[KEYS];
	program->aggregates = offsets[AGGREGATES];
	for (int i = 0; i < NPARTS; i++)
		if (builder->parts[i].bytes > 0)
			memcpy((uint8 *) program + offsets[i], builder->parts[i].data,
				   builder->parts[i].bytes);
	registers = (GstoreRegister *) ((uint8 *) program + offsets[REGISTERS]);
	for (int i = 0; i < program->nregisters; i++)
		registers[i].value += offsets[CONSTANTS];
	return program;
}

bool
gstore_program_is_narrow(const GstoreProgram *program)
{
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);

	for (int i = 0; i < program->nregisters; i++)
		if (registers[i].type == GSTORE_TYPE_DECIMAL)
			return true;
	return false;
}
