/*
 * ops_int.h
 *	  Integers and booleans: arithmetic that notices overflow, comparison, casts.
 *
 * Every operator writes *r and returns the state of its result.
 */
#ifndef GSTORE_OPS_INT_H
#define GSTORE_OPS_INT_H

#include "scalar.h"

#define GSTORE_DEFINE_COMPARISON(name, type, sign) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##name(gstore_logic *r, gstore_##type a, \
											  gstore_##type b) \
	{ \
		*r = (gstore_logic) (a sign b); \
		return GSTORE_STATE_VALUE; \
	}

#define GSTORE_DEFINE_COMPARISONS(type) \
	GSTORE_DEFINE_COMPARISON(type##eq, type, ==) \
	GSTORE_DEFINE_COMPARISON(type##ne, type, !=) \
	GSTORE_DEFINE_COMPARISON(type##lt, type, <) \
	GSTORE_DEFINE_COMPARISON(type##le, type, <=) \
	GSTORE_DEFINE_COMPARISON(type##gt, type, >) \
	GSTORE_DEFINE_COMPARISON(type##ge, type, >=)

GSTORE_DEFINE_COMPARISONS(logic)
GSTORE_DEFINE_COMPARISONS(int2)
GSTORE_DEFINE_COMPARISONS(int4)
GSTORE_DEFINE_COMPARISONS(int8)
GSTORE_DEFINE_COMPARISONS(date)
GSTORE_DEFINE_COMPARISONS(timestamp)
GSTORE_DEFINE_COMPARISONS(oid)

/* int2 and int4 are computed in a wider type and looked at afterwards. */
#define GSTORE_DEFINE_NARROW(type, wide, low, high, state) \
	GSTORE_DEVICE_FUNC uint8 gstore_fit_##type(gstore_##type *r, wide value) \
	{ \
		*r = (gstore_##type) value; \
		return (uint8) (value < (low) || value > (high) ? (state) \
														: GSTORE_STATE_VALUE); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##pl(gstore_##type *r, \
												  gstore_##type a, \
												  gstore_##type b) \
	{ \
		return gstore_fit_##type(r, (wide) a + b); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##mi(gstore_##type *r, \
												  gstore_##type a, \
												  gstore_##type b) \
	{ \
		return gstore_fit_##type(r, (wide) a - b); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##mul(gstore_##type *r, \
												   gstore_##type a, \
												   gstore_##type b) \
	{ \
		return gstore_fit_##type(r, (wide) a * b); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##div(gstore_##type *r, \
												   gstore_##type a, \
												   gstore_##type b) \
	{ \
		*r = 0; \
		return b == 0 ? (uint8) GSTORE_STATE_DIVISION \
					  : gstore_fit_##type(r, (wide) a / b); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##mod(gstore_##type *r, \
												   gstore_##type a, \
												   gstore_##type b) \
	{ \
		*r = 0; \
		if (b == 0) \
			return GSTORE_STATE_DIVISION; \
		*r = (gstore_##type)((wide) a % b); \
		return GSTORE_STATE_VALUE; \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##um(gstore_##type *r, \
												  gstore_##type a) \
	{ \
		return gstore_fit_##type(r, -(wide) a); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##abs(gstore_##type *r, \
												   gstore_##type a) \
	{ \
		return gstore_fit_##type(r, a < 0 ? -(wide) a : (wide) a); \
	}

GSTORE_DEFINE_NARROW(int2, int32, -32768, 32767, GSTORE_STATE_SMALLINT)
GSTORE_DEFINE_NARROW(int4, int64, -2147483647LL - 1, 2147483647LL,
					 GSTORE_STATE_INTEGER)

#define GSTORE_INT8_MIN ((int64) (-9223372036854775807LL - 1))

GSTORE_DEVICE_FUNC uint8
gstore_op_int8pl(gstore_int8 *r, gstore_int8 a, gstore_int8 b)
{
	uint64 sum = (uint64) a + (uint64) b;

	*r = (int64) sum;
	return (uint8) ((((uint64) a ^ sum) & ((uint64) b ^ sum)) >> 63
						? GSTORE_STATE_BIGINT
						: GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8mi(gstore_int8 *r, gstore_int8 a, gstore_int8 b)
{
	uint64 difference = (uint64) a - (uint64) b;

	*r = (int64) difference;
	return (uint8) (((uint64) (a ^ b) & ((uint64) a ^ difference)) >> 63
						? GSTORE_STATE_BIGINT
						: GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8mul(gstore_int8 *r, gstore_int8 a, gstore_int8 b)
{
	GstoreInt128 product = (GstoreInt128) a * b;

	*r = (int64) (uint64) product;
	return (uint8) (product != (GstoreInt128) *r ? GSTORE_STATE_BIGINT
												 : GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8div(gstore_int8 *r, gstore_int8 a, gstore_int8 b)
{
	*r = 0;
	if (b == 0)
		return GSTORE_STATE_DIVISION;
	if (b == -1 && a == GSTORE_INT8_MIN)
		return GSTORE_STATE_BIGINT;
	*r = a / b;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8mod(gstore_int8 *r, gstore_int8 a, gstore_int8 b)
{
	*r = 0;
	if (b == 0)
		return GSTORE_STATE_DIVISION;
	if (b != -1)
		*r = a % b;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8um(gstore_int8 *r, gstore_int8 a)
{
	return gstore_op_int8mi(r, 0, a);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8abs(gstore_int8 *r, gstore_int8 a)
{
	*r = a;
	return a < 0 ? gstore_op_int8mi(r, 0, a) : (uint8) GSTORE_STATE_VALUE;
}

/* ---- casts ---- */

#define GSTORE_DEFINE_WIDEN(from, to) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##from##_##to(gstore_##to *r, \
													 gstore_##from a) \
	{ \
		*r = (gstore_##to) a; \
		return GSTORE_STATE_VALUE; \
	}

GSTORE_DEFINE_WIDEN(int2, int4)
GSTORE_DEFINE_WIDEN(int2, int8)
GSTORE_DEFINE_WIDEN(int4, int8)
GSTORE_DEFINE_WIDEN(int2, float4)
GSTORE_DEFINE_WIDEN(int4, float4)
GSTORE_DEFINE_WIDEN(int8, float4)
GSTORE_DEFINE_WIDEN(int2, float8)
GSTORE_DEFINE_WIDEN(int4, float8)
GSTORE_DEFINE_WIDEN(int8, float8)
GSTORE_DEFINE_WIDEN(logic, int4)

GSTORE_DEVICE_FUNC uint8
gstore_op_int4_int2(gstore_int2 *r, gstore_int4 a)
{
	return gstore_fit_int2(r, a);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8_int2(gstore_int2 *r, gstore_int8 a)
{
	*r = (gstore_int2) a;
	return (uint8) (*r != a ? GSTORE_STATE_SMALLINT : GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int8_int4(gstore_int4 *r, gstore_int8 a)
{
	return gstore_fit_int4(r, a);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_int4_logic(gstore_logic *r, gstore_int4 a)
{
	*r = (gstore_logic) (a != 0);
	return GSTORE_STATE_VALUE;
}

/* ---- three-valued logic: operators that see states ---- */

GSTORE_DEVICE_FUNC uint8
gstore_op_not(gstore_logic *r, gstore_logic a)
{
	*r = (gstore_logic) !a;
	return GSTORE_STATE_VALUE;
}

/* Left to right: what follows a false is not looked at. */
GSTORE_DEVICE_FUNC uint8
gstore_op_and(gstore_logic *r, gstore_logic a, uint8 as, gstore_logic b, uint8 bs)
{
	*r = 0;
	if (as > GSTORE_STATE_NULL)
		return as;
	if (as == GSTORE_STATE_VALUE && !a)
		return GSTORE_STATE_VALUE;
	if (bs > GSTORE_STATE_NULL)
		return bs;
	if (bs == GSTORE_STATE_VALUE && !b)
		return GSTORE_STATE_VALUE;
	*r = 1;
	return (uint8) (as | bs);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_or(gstore_logic *r, gstore_logic a, uint8 as, gstore_logic b, uint8 bs)
{
	*r = 1;
	if (as > GSTORE_STATE_NULL)
		return as;
	if (as == GSTORE_STATE_VALUE && a)
		return GSTORE_STATE_VALUE;
	if (bs > GSTORE_STATE_NULL)
		return bs;
	if (bs == GSTORE_STATE_VALUE && b)
		return GSTORE_STATE_VALUE;
	*r = 0;
	return (uint8) (as | bs);
}

#endif
