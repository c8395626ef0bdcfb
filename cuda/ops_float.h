/*
 * ops_float.h
 *	  float4 and float8 as PostgreSQL has them: NaN equals NaN and is the
 *	  greatest, overflow and underflow are errors unless an operand was
 *	  infinite or zero already.
 */
#ifndef GSTORE_OPS_FLOAT_H
#define GSTORE_OPS_FLOAT_H

#include "scalar.h"

#define GSTORE_DEFINE_FLOAT_COMPARISON(name, type, expression) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##name(gstore_logic *r, gstore_##type a, \
											  gstore_##type b) \
	{ \
		*r = (gstore_logic) (expression); \
		return GSTORE_STATE_VALUE; \
	}

#define GSTORE_DEFINE_FLOAT(type) \
	GSTORE_DEFINE_FLOAT_COMPARISON(type##eq, type, \
								   (a == b) | ((a != a) & (b != b))) \
	GSTORE_DEFINE_FLOAT_COMPARISON(type##ne, type, \
								   !((a == b) | ((a != a) & (b != b)))) \
	GSTORE_DEFINE_FLOAT_COMPARISON(type##lt, type, \
								   (a < b) | ((b != b) & (a == a))) \
	GSTORE_DEFINE_FLOAT_COMPARISON(type##le, type, (a <= b) | (b != b)) \
	GSTORE_DEFINE_FLOAT_COMPARISON(type##gt, type, \
								   (a > b) | ((a != a) & (b == b))) \
	GSTORE_DEFINE_FLOAT_COMPARISON(type##ge, type, (a >= b) | (a != a)) \
	GSTORE_DEVICE_FUNC bool gstore_infinite_##type(gstore_##type a) \
	{ \
		return (a == a) && (a - a != 0); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##pl(gstore_##type *r, \
												  gstore_##type a, \
												  gstore_##type b) \
	{ \
		*r = a + b; \
		return (uint8) (gstore_infinite_##type(*r) && \
								!gstore_infinite_##type(a) && \
								!gstore_infinite_##type(b) \
							? GSTORE_STATE_OVERFLOW \
							: GSTORE_STATE_VALUE); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##mi(gstore_##type *r, \
												  gstore_##type a, \
												  gstore_##type b) \
	{ \
		return gstore_op_##type##pl(r, a, -b); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##mul(gstore_##type *r, \
												   gstore_##type a, \
												   gstore_##type b) \
	{ \
		*r = a * b; \
		if (gstore_infinite_##type(*r) && !gstore_infinite_##type(a) && \
			!gstore_infinite_##type(b)) \
			return GSTORE_STATE_OVERFLOW; \
		return (uint8) (*r == 0 && a != 0 && b != 0 ? GSTORE_STATE_UNDERFLOW \
													: GSTORE_STATE_VALUE); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##div(gstore_##type *r, \
												   gstore_##type a, \
												   gstore_##type b) \
	{ \
		*r = 0; \
		if (b == 0 && a == a) \
			return GSTORE_STATE_DIVISION; \
		*r = b == 0 ? a : a / b; \
		if (gstore_infinite_##type(*r) && !gstore_infinite_##type(a)) \
			return GSTORE_STATE_OVERFLOW; \
		return (uint8) (*r == 0 && a != 0 && !gstore_infinite_##type(b) \
							? GSTORE_STATE_UNDERFLOW \
							: GSTORE_STATE_VALUE); \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##um(gstore_##type *r, \
												  gstore_##type a) \
	{ \
		*r = -a; \
		return GSTORE_STATE_VALUE; \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##abs(gstore_##type *r, \
												   gstore_##type a) \
	{ \
		*r = (gstore_##type) fabs(a); \
		return GSTORE_STATE_VALUE; \
	} \
	/* to the nearest, halves to even; NaN and what does not fit are errors */ \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##_int2(gstore_int2 *r, \
													 gstore_##type a) \
	{ \
		double value = rint((double) a); \
\
		*r = 0; \
		if (!(value >= -32768.0 && value < 32768.0)) \
			return GSTORE_STATE_SMALLINT; \
		*r = (gstore_int2) value; \
		return GSTORE_STATE_VALUE; \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##_int4(gstore_int4 *r, \
													 gstore_##type a) \
	{ \
		double value = rint((double) a); \
\
		*r = 0; \
		if (!(value >= -2147483648.0 && value < 2147483648.0)) \
			return GSTORE_STATE_INTEGER; \
		*r = (gstore_int4) value; \
		return GSTORE_STATE_VALUE; \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##_int8(gstore_int8 * r, \
													 gstore_##type a) \
	{ \
		double value = rint((double) a); \
\
		*r = 0; \
		if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) \
			return GSTORE_STATE_BIGINT; \
		*r = (gstore_int8) value; \
		return GSTORE_STATE_VALUE; \
	}

GSTORE_DEFINE_FLOAT(float4)
GSTORE_DEFINE_FLOAT(float8)

GSTORE_DEVICE_FUNC uint8
gstore_op_float4_float8(gstore_float8 *r, gstore_float4 a)
{
	*r = a;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_float8_float4(gstore_float4 *r, gstore_float8 a)
{
	*r = 0;
	if (a == a && !gstore_infinite_float8(a) && fabs(a) >= 3.4028235677973366e38)
		return GSTORE_STATE_OVERFLOW;
	*r = (float) a;
	return (uint8) (*r == 0 && a != 0 ? GSTORE_STATE_UNDERFLOW
									  : GSTORE_STATE_VALUE);
}

#endif
