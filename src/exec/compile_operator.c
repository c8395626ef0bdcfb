/*
 * compile_operator.c
 *	  Instructions: operands brought to the types that operators take.
 *
 * A numeric whose scale is known when the program is made, and whose digits fit
 * 64 bits, is a DECIMAL: operands are brought to one scale here, once, instead
 * of for each value.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "exec/compile.h"

/* Instructions one expression may have: some of these fill a program. */
#define MAX_EMITTED 400

bool
gstore_type_of(Oid typid, GstoreType *type)
{
	switch (getBaseType(typid))
	{
		case BOOLOID:
			*type = GSTORE_TYPE_BOOL;
			return true;
		case INT2OID:
			*type = GSTORE_TYPE_INT2;
			return true;
		case INT4OID:
			*type = GSTORE_TYPE_INT4;
			return true;
		case INT8OID:
			*type = GSTORE_TYPE_INT8;
			return true;
		case FLOAT4OID:
			*type = GSTORE_TYPE_FLOAT4;
			return true;
		case FLOAT8OID:
			*type = GSTORE_TYPE_FLOAT8;
			return true;
		case NUMERICOID:
			*type = GSTORE_TYPE_NUMERIC;
			return true;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			*type = GSTORE_TYPE_TEXT;
			return true;
		case DATEOID:
			*type = GSTORE_TYPE_DATE;
			return true;
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			*type = GSTORE_TYPE_TIMESTAMP;
			return true;
		case INTERVALOID:
			*type = GSTORE_TYPE_SPAN;
			return true;
		case UUIDOID:
			*type = GSTORE_TYPE_UUID;
			return true;
		case OIDOID:
			*type = GSTORE_TYPE_OID;
			return true;
		default:
			return false;
	}
}

/* Registers know their scale too: sums are told with it. */
static void
set_scale(GstoreCompiler *compiler, const GstoreOperand *operand)
{
	if (compiler->builder != NULL && operand->type == GSTORE_TYPE_DECIMAL)
		gstore_program_set_scale(compiler->builder, operand->reg,
								 (uint8) operand->scale);
}

bool
gstore_emit(GstoreCompiler *compiler, GstoreOpcode opcode, GstoreOperand a, GstoreOperand b, GstoreOperand c,
			GstoreOperand *to)
{
	if (++compiler->emitted > MAX_EMITTED)
		return false;
	to->type = gstore_opcode_result(opcode, b.type);
	to->reg = 0;
	to->scale = to->type == GSTORE_TYPE_DECIMAL ? b.scale : 0;
	to->is_constant = false;
	if (compiler->builder != NULL)
		to->reg = gstore_program_operator(compiler->builder, opcode, a.reg,
										  b.reg, c.reg);
	set_scale(compiler, to);
	return true;
}

const GstoreOperand gstore_no_operand = {.type = GSTORE_TYPE_BOOL};

/* ---- numerics of known scale ---- */

static bool widen(GstoreCompiler *compiler, GstoreOperand *operand, int type);

static bool
to_numeric(GstoreCompiler *compiler, GstoreOperand *operand)
{
	GstoreOperand scale;

	return gstore_add_constant(compiler, GSTORE_TYPE_INT4,
							   Int32GetDatum(operand->scale), false, &scale) &&
		   gstore_emit(compiler, GSTORE_OP_DECIMAL_TO_NUMERIC, *operand, scale,
					   gstore_no_operand, operand);
}

static void
add_decimal(GstoreCompiler *compiler, int64 value, int scale,
			GstoreOperand *to)
{
	to->type = GSTORE_TYPE_DECIMAL;
	to->scale = (int16) scale;
	to->is_constant = true;
	to->value = value;
	to->reg = 0;
	if (compiler->builder != NULL)
		to->reg = gstore_program_constant(compiler->builder,
										  GSTORE_TYPE_DECIMAL,
										  GSTORE_STATE_VALUE, &value);
	set_scale(compiler, to);
}

/* Give a DECIMAL a larger scale; false: 64 bits may not do. */
static bool
rescale(GstoreCompiler *compiler, GstoreOperand *operand, int scale)
{
	int more = scale - operand->scale;
	int64 factor;
	int64 value;

	if (more == 0)
		return true;
	if (more < 0 || scale > GSTORE_SMALL_DECIMAL_DIGITS)
		return false;
	factor = (int64) gstore_power_of_ten(more);
	if (operand->is_constant)
	{
		if (pg_mul_s64_overflow(operand->value, factor, &value))
			return false;
		add_decimal(compiler, value, scale, operand);
		return true;
	}
	if (compiler->powers[more].type != GSTORE_TYPE_DECIMAL)
		add_decimal(compiler, factor, 0, &compiler->powers[more]);
	if (!gstore_emit(compiler, GSTORE_OP_DECIMAL_MUL, *operand,
					 compiler->powers[more], gstore_no_operand, operand))
		return false;
	operand->scale = (int16) scale;
	set_scale(compiler, operand);
	return true;
}

/* A constant that is only compared need not keep zeros behind its last digit. */
static void
trim(GstoreCompiler *compiler, GstoreOperand *operand, int scale)
{
	int64 value = operand->value;
	int trimmed = operand->scale;

	if (!operand->is_constant)
		return;
	for (; trimmed > scale && value % 10 == 0; trimmed--)
		value /= 10;
	if (trimmed < operand->scale)
		add_decimal(compiler, value, trimmed, operand);
}

/* Integers are DECIMALs without a scale. */
static bool
from_integer(GstoreCompiler *compiler, GstoreOperand operand,
			 GstoreOperand *to)
{
	if (!widen(compiler, &operand, GSTORE_TYPE_INT8) ||
		!gstore_emit(compiler, GSTORE_OP_INT8_TO_DECIMAL, operand,
					 gstore_no_operand, gstore_no_operand, to))
		return false;
	return true;
}

/*
 * The operator of DECIMALs that does what one of numerics does; *scale: of its
 * result.  -1 if there is none, or 64 bits cannot hold what it would have to.
 */
static int
decimal_opcode(int opcode, const GstoreOperand *operands, int *scale)
{
	static const struct
	{
		GstoreOpcode wide;
		GstoreOpcode narrow;
	} pairs[] = {
		{GSTORE_OP_NUMERIC_EQ, GSTORE_OP_DECIMAL_EQ},
		{GSTORE_OP_NUMERIC_NE, GSTORE_OP_DECIMAL_NE},
		{GSTORE_OP_NUMERIC_LT, GSTORE_OP_DECIMAL_LT},
		{GSTORE_OP_NUMERIC_LE, GSTORE_OP_DECIMAL_LE},
		{GSTORE_OP_NUMERIC_GT, GSTORE_OP_DECIMAL_GT},
		{GSTORE_OP_NUMERIC_GE, GSTORE_OP_DECIMAL_GE},
		{GSTORE_OP_NUMERIC_ADD, GSTORE_OP_DECIMAL_ADD},
		{GSTORE_OP_NUMERIC_SUB, GSTORE_OP_DECIMAL_SUB},
		{GSTORE_OP_NUMERIC_MUL, GSTORE_OP_DECIMAL_MUL},
		{GSTORE_OP_NUMERIC_NEG, GSTORE_OP_DECIMAL_NEG},
		{GSTORE_OP_NUMERIC_ABS, GSTORE_OP_DECIMAL_ABS}};

	for (size_t i = 0; i < lengthof(pairs); i++)
		if ((int) pairs[i].wide == opcode)
		{
			bool multiplies = opcode == GSTORE_OP_NUMERIC_MUL;

			*scale = multiplies ? operands[0].scale + operands[1].scale
								: Max(operands[0].scale, operands[1].scale);
			return *scale > GSTORE_SMALL_DECIMAL_DIGITS
					   ? -1
					   : (int) pairs[i].narrow;
		}
	return -1;
}

/* Do what an operator of numerics does in 64 bits; false: not possible, and
 * nothing has changed. */
static bool
apply_decimal(GstoreCompiler *compiler, int opcode,
			  const GstoreOperand *operands, int noperands, GstoreOperand *to)
{
	GstoreOperand changed[2] = {operands[0], operands[noperands - 1]};
	int scale;
	int narrow;

	if (!compiler->narrow)
		return false;
	if (opcode == GSTORE_OP_INT2_TO_NUMERIC ||
		opcode == GSTORE_OP_INT4_TO_NUMERIC ||
		opcode == GSTORE_OP_INT8_TO_NUMERIC)
		return from_integer(compiler, operands[0], to);
	for (int i = 0; i < noperands; i++)
		if (operands[i].type != GSTORE_TYPE_DECIMAL)
			return false;
	if (opcode >= GSTORE_OP_NUMERIC_EQ && opcode <= GSTORE_OP_NUMERIC_GE)
	{
		trim(compiler, &changed[0], changed[1].scale);
		trim(compiler, &changed[1], changed[0].scale);
	}
	narrow = decimal_opcode(opcode, changed, &scale);
	if (narrow < 0)
		return false;
	if (opcode != GSTORE_OP_NUMERIC_MUL)
		for (int i = 0; i < noperands; i++)
			if (!rescale(compiler, &changed[i], scale))
				return false;
	if (!gstore_emit(compiler, (GstoreOpcode) narrow, changed[0],
					 noperands > 1 ? changed[1] : gstore_no_operand,
					 gstore_no_operand, to))
		return false;
	if (to->type == GSTORE_TYPE_DECIMAL)
	{
		to->scale = (int16) scale;
		set_scale(compiler, to);
	}
	return true;
}

/*
 * A date compared with a known instant (date <= timestamp) is compared with
 * that instant's day: four bytes a row instead of eight, and no conversion.
 * False: it is not that, and nothing has changed.
 */
static bool
apply_to_days(GstoreCompiler *compiler, int opcode,
			  const GstoreOperand *operands, GstoreOperand *to)
{
	/* by opcode: the one for sides swapped, and those for days, where the
	 * instant is the day's first and where it is later */
	static const struct
	{
		GstoreOpcode mirrored;
		int midnight;
		int later;
	} by_opcode[] = {
		{GSTORE_OP_TIMESTAMP_EQ, GSTORE_OP_DATE_EQ, -1},
		{GSTORE_OP_TIMESTAMP_NE, GSTORE_OP_DATE_NE, -1},
		{GSTORE_OP_TIMESTAMP_GT, GSTORE_OP_DATE_LT, GSTORE_OP_DATE_LE},
		{GSTORE_OP_TIMESTAMP_GE, GSTORE_OP_DATE_LE, GSTORE_OP_DATE_LE},
		{GSTORE_OP_TIMESTAMP_LT, GSTORE_OP_DATE_GT, GSTORE_OP_DATE_GT},
		{GSTORE_OP_TIMESTAMP_LE, GSTORE_OP_DATE_GE, GSTORE_OP_DATE_GT}};
	const GstoreOperand *date = &operands[0];
	const GstoreOperand *instant = &operands[1];
	GstoreOperand day;
	int64 since;
	int64 days;

	if (opcode < GSTORE_OP_TIMESTAMP_EQ || opcode > GSTORE_OP_TIMESTAMP_GE)
		return false;
	if (date->is_constant)
	{
		date = &operands[1];
		instant = &operands[0];
		opcode = by_opcode[opcode - GSTORE_OP_TIMESTAMP_EQ].mirrored;
	}
	if (date->type != GSTORE_TYPE_DATE || !instant->is_constant ||
		TIMESTAMP_NOT_FINITE(instant->value))
		return false;
	days = instant->value / USECS_PER_DAY;
	since = instant->value % USECS_PER_DAY;
	if (since < 0)
		days--;
	opcode = since == 0
				 ? by_opcode[opcode - GSTORE_OP_TIMESTAMP_EQ].midnight
				 : by_opcode[opcode - GSTORE_OP_TIMESTAMP_EQ].later;
	return opcode >= 0 &&
		   gstore_add_constant(compiler, GSTORE_TYPE_DATE,
							   DateADTGetDatum((DateADT) days), false, &day) &&
		   gstore_emit(compiler, (GstoreOpcode) opcode, *date, day,
					   gstore_no_operand, to);
}

bool
gstore_unify(GstoreCompiler *compiler, GstoreOperand *a, GstoreOperand *b)
{
	bool decimals = a->type == GSTORE_TYPE_DECIMAL ||
					b->type == GSTORE_TYPE_DECIMAL;

	/* Of two scales each value keeps its own. */
	if (!decimals || (a->type == b->type && a->scale == b->scale))
		return a->type == b->type;
	return widen(compiler, a, GSTORE_TYPE_NUMERIC) &&
		   widen(compiler, b, GSTORE_TYPE_NUMERIC);
}

/* ---- operators ---- */

/* Make an operand of the type an operator takes. */
static bool
widen(GstoreCompiler *compiler, GstoreOperand *operand, int type)
{
	static const struct
	{
		GstoreType from;
		GstoreType to;
		GstoreOpcode opcode;
	} casts[] = {
		{GSTORE_TYPE_INT2, GSTORE_TYPE_INT4, GSTORE_OP_INT2_TO_INT4},
		{GSTORE_TYPE_INT2, GSTORE_TYPE_INT8, GSTORE_OP_INT2_TO_INT8},
		{GSTORE_TYPE_INT4, GSTORE_TYPE_INT8, GSTORE_OP_INT4_TO_INT8},
		{GSTORE_TYPE_FLOAT4, GSTORE_TYPE_FLOAT8, GSTORE_OP_FLOAT4_TO_FLOAT8},
		{GSTORE_TYPE_DATE, GSTORE_TYPE_TIMESTAMP, GSTORE_OP_DATE_TO_INSTANT}};

	if ((int) operand->type == type)
		return true;
	if (operand->type == GSTORE_TYPE_DECIMAL && type == GSTORE_TYPE_NUMERIC)
		return to_numeric(compiler, operand);
	for (size_t i = 0; i < lengthof(casts); i++)
		if (casts[i].from == operand->type && (int) casts[i].to == type)
			return gstore_emit(compiler, casts[i].opcode, *operand, gstore_no_operand, gstore_no_operand,
							   operand);
	return false;
}

bool
gstore_apply(GstoreCompiler *compiler, int opcode, bool swapped, GstoreOperand *operands,
			 int noperands, GstoreOperand *to)
{
	if (swapped)
	{
		GstoreOperand first = operands[0];

		operands[0] = operands[1];
		operands[1] = first;
	}
	if (apply_decimal(compiler, opcode, operands, noperands, to) ||
		apply_to_days(compiler, opcode, operands, to))
		return true;
	for (int i = 0; i < 2; i++)
	{
		int type = gstore_opcode_argument((GstoreOpcode) opcode, i);

		if ((type >= 0) != (i < noperands))
			return false;
		if (type >= 0 && !widen(compiler, &operands[i], type))
			return false;
	}
	return gstore_emit(compiler, (GstoreOpcode) opcode, operands[0],
					   noperands > 1 ? operands[1] : gstore_no_operand, gstore_no_operand, to);
}

/* ---- leaves ---- */

bool
gstore_add_constant(GstoreCompiler *compiler, GstoreType type, Datum value, bool isnull,
					GstoreOperand *to)
{
	union
	{
		bool logic;
		int16 i2;
		int32 i4;
		int64 i8;
		float4 f4;
		float8 f8;
		GstoreNumeric numeric;
		GstoreText text;
		GstoreSpan span;
		GstoreUuid uuid;
		Oid oid;
	} bytes;
	uint8 state = isnull ? GSTORE_STATE_NULL : GSTORE_STATE_VALUE;
	struct varlena *varlena;

	to->type = type;
	to->reg = 0;
	to->scale = 0;
	to->is_constant = false;
	if (compiler->builder == NULL)
		return true;
	memset(&bytes, 0, sizeof(bytes));
	if (!isnull)
		switch (type)
		{
			case GSTORE_TYPE_BOOL:
				bytes.logic = DatumGetBool(value);
				break;
			case GSTORE_TYPE_INT2:
				bytes.i2 = DatumGetInt16(value);
				break;
			case GSTORE_TYPE_INT4:
			case GSTORE_TYPE_DATE:
				bytes.i4 = DatumGetInt32(value);
				break;
			case GSTORE_TYPE_INT8:
			case GSTORE_TYPE_TIMESTAMP:
				bytes.i8 = DatumGetInt64(value);
				to->is_constant = true;
				to->value = bytes.i8;
				break;
			case GSTORE_TYPE_FLOAT4:
				bytes.f4 = DatumGetFloat4(value);
				break;
			case GSTORE_TYPE_FLOAT8:
				bytes.f8 = DatumGetFloat8(value);
				break;
			case GSTORE_TYPE_OID:
				bytes.oid = DatumGetObjectId(value);
				break;
			case GSTORE_TYPE_SPAN:
				memcpy(&bytes.span, DatumGetPointer(value),
					   sizeof(bytes.span));
				break;
			case GSTORE_TYPE_UUID:
				memcpy(&bytes.uuid, DatumGetPointer(value),
					   sizeof(bytes.uuid));
				break;
			case GSTORE_TYPE_NUMERIC:
				varlena = PG_DETOAST_DATUM_PACKED(value);
				state = gstore_numeric_decode(&bytes.numeric,
											  (uint8 *) VARDATA_ANY(varlena),
											  VARSIZE_ANY_EXHDR(varlena));
				if (compiler->narrow && state == GSTORE_STATE_VALUE &&
					gstore_int128_small(bytes.numeric.value) &&
					bytes.numeric.scale <= GSTORE_SMALL_DECIMAL_DIGITS)
				{
					add_decimal(compiler, (int64) bytes.numeric.value,
								bytes.numeric.scale, to);
					return true;
				}
				break;
			default:
				varlena = PG_DETOAST_DATUM_PACKED(value);
				bytes.text.data = (uint8 *) VARDATA_ANY(varlena);
				bytes.text.length = VARSIZE_ANY_EXHDR(varlena);
				break;
		}
	to->reg = gstore_program_constant(compiler->builder, type, state, &bytes);
	return true;
}

/* Packed as make_numeric_typmod in numeric.c does it. */
bool
gstore_unpack_numeric(int32 typmod, int *precision, int *scale)
{
	*precision = (typmod - VARHDRSZ) >> 16 & 0xFFFF;
	*scale = (((typmod - VARHDRSZ) & 0x7FF) ^ 1024) - 1024;
	return typmod >= (int32) VARHDRSZ;
}

void
gstore_add_column(GstoreCompiler *compiler, AttrNumber attnum,
				  GstoreType type, int32 typmod, GstoreOperand *to)
{
	int precision;
	int scale;

	memset(to, 0, sizeof(*to));
	to->type = type;
	if (compiler->narrow && type == GSTORE_TYPE_NUMERIC &&
		gstore_unpack_numeric(typmod, &precision, &scale) &&
		precision <= GSTORE_SMALL_DECIMAL_DIGITS && scale >= 0 &&
		scale <= GSTORE_SMALL_DECIMAL_DIGITS)
	{
		to->type = GSTORE_TYPE_DECIMAL;
		to->scale = (int16) scale;
	}
	if (compiler->builder != NULL)
		to->reg = gstore_program_column(compiler->builder, attnum, to->type);
	set_scale(compiler, to);
}
