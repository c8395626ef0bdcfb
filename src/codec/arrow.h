/*
 * arrow.h
 *	  What kind of Arrow column a PostgreSQL type becomes, and what the halves
 *	  of the codec `arrow' share: arrow_build.c, arrow_read.c.
 *
 * The layout is told in gstore_format.h.  Who uses the codec sets arrow_kind,
 * and what else the kind needs, in each GstoreColumn; attlen, attalign and
 * attbyval stay the type's own.
 */
#ifndef GSTORE_ARROW_H
#define GSTORE_ARROW_H

#include "codec/codec.h"
#include "epoch.h"
#include "gstore_format.h"

/*
 * The list of kinds: name, Arrow format ("": made from the column), bytes of a
 * value (0: bits or text), how it is read.
 *
 * A value is passed to append, and comes from decode, as the type's own Datum,
 * but for OUTPUT, which takes and gives a text: the caller uses the type's
 * output and input functions.  jsonb is OUTPUT.  NUMERIC needs precision and
 * scale; TEXT, BYTEA, NAME, OUTPUT and LIST heed large_text.  LIST has one
 * field, its elements; STRUCT has one or more.
 */
#define GSTORE_ARROW_KINDS(KIND) \
	KIND(NONE, "n", 0, ABSENT) \
	KIND(BOOL, "b", 0, ARROW_BITS) \
	KIND(BOOL_BYTE, "C", 1, FIXED) \
	KIND(INT2, "s", 2, FIXED) \
	KIND(INT4, "i", 4, FIXED) \
	KIND(INT8, "l", 8, FIXED) \
	KIND(FLOAT4, "f", 4, FIXED) \
	KIND(FLOAT8, "g", 8, FIXED) \
	KIND(OID, "I", 4, FIXED) \
	KIND(DATE, "tdD", 4, ARROW_FIXED) \
	KIND(TIME, "ttu", 8, FIXED) \
	KIND(TIMESTAMP, "tsu:", 8, ARROW_FIXED) \
	KIND(TIMESTAMPTZ, "tsu:UTC", 8, ARROW_FIXED) \
	KIND(INTERVAL, "tin", 16, ARROW_FIXED) \
	KIND(NUMERIC, "", 16, ARROW_FIXED) \
	KIND(UUID, "w:16", 16, FIXED) \
	KIND(TEXT, "", 0, ARROW_TEXT) \
	KIND(BYTEA, "", 0, ARROW_TEXT) \
	KIND(NAME, "", 0, ARROW_TEXT) \
	KIND(OUTPUT, "", 0, ARROW_TEXT) \
	KIND(LIST, "", 0, ARROW_LIST) \
	KIND(STRUCT, "+s", 0, ARROW_STRUCT)

typedef enum GstoreArrowKind
{
#define GSTORE_ARROW_ENUM(name, format, bytes, encoding) GSTORE_ARROW_##name,
	GSTORE_ARROW_KINDS(GSTORE_ARROW_ENUM)
#undef GSTORE_ARROW_ENUM
} GstoreArrowKind;

typedef struct GstoreArrowType
{
	const char *format;
	uint32 bytes;
	GstoreEncoding encoding;
} GstoreArrowType;

/* What a column is; a dropped one is NONE. */
extern const GstoreArrowType *gstore_arrow_type(const GstoreColumn *column);
extern GstoreArrowKind gstore_arrow_kind(const GstoreColumn *column);
/* Its Arrow format string, NUL-padded to 32 bytes. */
extern void gstore_arrow_format(const GstoreColumn *column, char *format);

/* Are column a of one schema and column b of another made of the same kinds, so
 * that decoded values of the one can be appended to the other? */
extern bool gstore_arrow_same_kinds(const GstoreSchema *schema, int column,
									const GstoreSchema *other_schema,
									int other_column);

/* The kind of a built-in type by its OID, OUTPUT for all others.  bool_byte:
 * column option bool 'byte'. */
extern GstoreArrowKind gstore_arrow_kind_of_type(uint32 typid, bool bool_byte);

/* Bytes of a text at most: what a varlena header counts. */
#define GSTORE_ARROW_MAX_TEXT UINT64_C(0x3FFFFFFB)

/* An interval as PostgreSQL and as Arrow lays it out. */
typedef struct GstoreInterval
{
	int64 microseconds;
	int32 days;
	int32 months;
} GstoreInterval;

typedef struct GstoreArrowInterval
{
	int32 months;
	int32 days;
	int64 nanoseconds;
} GstoreArrowInterval;

StaticAssertDecl(sizeof(GstoreInterval) == 16, "an interval is 16 bytes");
StaticAssertDecl(sizeof(GstoreArrowInterval) == 16,
				 "an Arrow interval is 16 bytes");

/* Where columns end and buffers begin. */
#define GSTORE_ARROW_BODY(ncols) \
	GSTORE_ALIGN(sizeof(GstoreArrowHeader) + \
					 (uint64) (ncols) * sizeof(GstoreArrowColumn), \
				 GSTORE_ARROW_ALIGNMENT)

extern GstoreBuilder *gstore_arrow_create(const GstoreSchema *schema,
										  const GstoreAllocator *allocator);
extern void gstore_arrow_destroy(GstoreBuilder *builder);
extern void gstore_arrow_reset(GstoreBuilder *builder);
extern void gstore_arrow_reset_column(GstoreBuilder *builder, int column);
extern GstoreCodecStatus gstore_arrow_append(GstoreBuilder *builder,
											 const GstoreValue *values,
											 const bool *nulls,
											 GstoreCodecError *error);
extern GstoreCodecStatus gstore_arrow_append_column(GstoreBuilder *builder,
													int column,
													const GstoreValue *values,
													const bool *nulls,
													uint32 count,
													GstoreCodecError *error);
extern const GstoreSchema *gstore_arrow_schema(const GstoreBuilder *builder);
extern uint64 gstore_arrow_rows(const GstoreBuilder *builder);
extern void gstore_arrow_set_rows(GstoreBuilder *builder, uint64 rows);
extern uint64 gstore_arrow_bytes(const GstoreBuilder *builder);
extern uint64 gstore_arrow_column_bytes(const GstoreBuilder *builder,
										int column);
extern uint64 gstore_arrow_memory(const GstoreBuilder *builder);
extern void gstore_arrow_bounds(const GstoreBuilder *builder, int column,
								uint64 rows, struct GstoreBounds *bounds, int stride);
extern uint64 gstore_arrow_image_for(GstoreBuilder *builder, uint64 bytes,
									 uint64 *rows);
extern void gstore_arrow_settle(GstoreBuilder *builder, void *image);
extern uint64 gstore_arrow_close_up(GstoreBuilder *builder);
extern void gstore_arrow_write_header(GstoreBuilder *builder, void *image);
extern void gstore_arrow_write_column(GstoreBuilder *builder, int column,
									  void *image);

extern GstoreCodecStatus gstore_arrow_lay_out(const GstoreSchema *schema,
											  uint64 rows,
											  const GstoreColumnSize *sizes,
											  void *header,
											  uint64 *image_bytes,
											  GstoreCodecError *error);

/* A value as Arrow has it, in *target (16 bytes): what the kinds of encoding
 * ARROW_FIXED, and TIME, need. */
extern GstoreCodecStatus gstore_arrow_convert(const GstoreColumn *column,
											  GstoreValue value,
											  GstoreScratch *scratch,
											  void *target,
											  GstoreCodecError *error);
/* The same of many: target has what each becomes, zeros for NULLs.  On failure
 * error->row is the value's. */
extern GstoreCodecStatus gstore_arrow_convert_all(const GstoreColumn *column,
												  const GstoreValue *values,
												  const bool *nulls,
												  uint32 count,
												  GstoreScratch *scratch,
												  void *target,
												  GstoreCodecError *error);
/* Which values are refused; see GstoreCodec. */
extern bool gstore_arrow_refuses(const GstoreColumn *column);
extern GstoreCodecStatus gstore_arrow_check(const GstoreSchema *schema,
											const int *columns, int ncolumns,
											const GstoreValue *values,
											const bool *nulls,
											GstoreCodecError *error);
/* And back: rows [from, from + count) of a view that are not NULL. */
extern GstoreCodecStatus gstore_arrow_revert(const GstoreColumnView *view,
											 uint64 from, uint64 count,
											 GstoreValue *values,
											 const bool *nulls,
											 GstoreScratch *scratch,
											 GstoreCodecError *error);

/* Lower a builder's limit of bytes of text with int32 offsets, for tests. */
extern void gstore_arrow_limit(GstoreBuilder *builder, uint64 text_bytes);

#endif
