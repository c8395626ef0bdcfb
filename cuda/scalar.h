/*
 * scalar.h
 *	  The types that programs compute with, and the outcome of an operator.
 *
 * Compiled by gcc and by nvcc, for the CPU and for the GPU, from one source.
 * Must never include a PostgreSQL header, allocate, or raise: an operator
 * returns a state, and errors travel in it like NaN in floating point.  So a
 * branch of CASE that was not chosen may have failed without anybody noticing,
 * and no operator needs control flow.
 */
#ifndef GSTORE_SCALAR_H
#define GSTORE_SCALAR_H

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef POSTGRES_H
/* postgres.h has them */
#else
#include "port.h"
#endif

#ifdef __CUDACC__
#define GSTORE_DEVICE_FUNC static __host__ __device__ __forceinline__
#else
#define GSTORE_DEVICE_FUNC static inline
#endif

/* What a register holds besides its value. */
typedef enum GstoreState
{
	GSTORE_STATE_VALUE = 0,
	GSTORE_STATE_NULL = 1,
	/* errors, from here on */
	GSTORE_STATE_BEYOND,	 /* not computable here: PostgreSQL must */
	GSTORE_STATE_CORRUPT,	 /* XX001: an offset points nowhere */
	GSTORE_STATE_DIVISION,	 /* 22012 division by zero */
	GSTORE_STATE_SMALLINT,	 /* 22003 smallint out of range */
	GSTORE_STATE_INTEGER,	 /* 22003 integer out of range */
	GSTORE_STATE_BIGINT,	 /* 22003 bigint out of range */
	GSTORE_STATE_OVERFLOW,	 /* 22003 value out of range: overflow */
	GSTORE_STATE_UNDERFLOW,	 /* 22003 value out of range: underflow */
	GSTORE_STATE_DATE,		 /* 22008 date out of range */
	GSTORE_STATE_TIMESTAMP,	 /* 22008 timestamp out of range */
	GSTORE_STATE_INFINITE,	 /* 22008 cannot subtract infinite dates */
	GSTORE_STATE_INTERVAL,	 /* 22008 interval out of range */
	GSTORE_STATE_SUBSTRING,	 /* 22011 negative substring length ... */
	GSTORE_STATE_LIKE_ESCAPE /* 22025 LIKE pattern must not end with ... */
} GstoreState;

typedef __int128 GstoreInt128;

/* value / 10^scale; scale is what PostgreSQL calls the display scale. */
typedef struct GstoreNumeric
{
	GstoreInt128 value;
	int32 scale;
	int32 padding[3];
} GstoreNumeric;

/* Bytes of a varlena, without its header; they stay where they are. */
typedef struct GstoreText
{
	const uint8 *data;
	uint64 length;
} GstoreText;

/* An interval, as PostgreSQL lays it out. */
typedef struct GstoreSpan
{
	int64 microseconds;
	int32 days;
	int32 months;
} GstoreSpan;

typedef struct GstoreUuid
{
	uint64 words[2]; /* 16 bytes, compared as bytes */
} GstoreUuid;

typedef uint8 gstore_logic; /* 0 or 1 */
typedef int16 gstore_int2;
typedef int32 gstore_int4;
typedef int64 gstore_int8;
typedef float gstore_float4;
typedef double gstore_float8;
typedef GstoreNumeric gstore_numeric;
typedef int64 gstore_decimal; /* times a power of ten that the register knows */
typedef GstoreText gstore_text;
typedef int32 gstore_date;		/* days since 2000-01-01 */
typedef int64 gstore_timestamp; /* microseconds since then; also of a day */
typedef GstoreSpan gstore_span;
typedef GstoreUuid gstore_uuid;
typedef uint32 gstore_oid;

/* Every type a register may have: enum, C type.  The last three have operators
 * only: no keys, no aggregates. */
#define GSTORE_TYPE_LIST(TYPE) \
	TYPE(BOOL, logic) \
	TYPE(INT2, int2) \
	TYPE(INT4, int4) \
	TYPE(INT8, int8) \
	TYPE(FLOAT4, float4) \
	TYPE(FLOAT8, float8) \
	TYPE(NUMERIC, numeric) \
	TYPE(DECIMAL, decimal) \
	TYPE(TEXT, text) \
	TYPE(DATE, date) \
	TYPE(TIMESTAMP, timestamp) \
	TYPE(SPAN, span) \
	TYPE(UUID, uuid) \
	TYPE(OID, oid)

typedef enum GstoreType
{
#define TYPE(name, ctype) GSTORE_TYPE_##name,
	GSTORE_TYPE_LIST(TYPE)
#undef TYPE
	GSTORE_TYPE_COUNT
} GstoreType;

GSTORE_DEVICE_FUNC uint32
gstore_type_bytes(int type)
{
	switch (type)
	{
#define TYPE(name, ctype) \
	case GSTORE_TYPE_##name: \
		return (uint32) sizeof(gstore_##ctype);
		GSTORE_TYPE_LIST(TYPE)
#undef TYPE
		default:
			return 0;
	}
}

/* The first of two states that is an error, else NULL if one is. */
GSTORE_DEVICE_FUNC uint8
gstore_state_join(uint8 a, uint8 b)
{
	if (a > GSTORE_STATE_NULL)
		return a;
	return b > GSTORE_STATE_NULL ? b : (uint8) (a | b);
}

/* Most aligned to what a C compiler may assume: images can be hostile. */
GSTORE_DEVICE_FUNC uint16
gstore_read_u16(const uint8 *at)
{
	return (uint16) (at[0] | (at[1] << 8));
}

GSTORE_DEVICE_FUNC uint32
gstore_read_u32(const uint8 *at)
{
	return (uint32) gstore_read_u16(at) |
		   ((uint32) gstore_read_u16(at + 2) << 16);
}

#endif
