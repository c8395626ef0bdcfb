/*
 * codec.h
 *	  Rows <-> columnar images, whatever their format.
 *
 * A codec knows one layout of a chunk image and nothing of PostgreSQL's server
 * state: no PostgreSQL header, no global, no error raised.  What the caller
 * needs of a format goes through the table of functions GstoreCodec, so store/,
 * fdw/ and keeper/ never ask which format they serve:
 *
 *	 append		rows into a builder, one by one or column by column, which
 *				then writes one image
 *	 view		which bytes of an image a set of columns and rows needs, and
 *				those bytes bound to column views
 *	 project	column views decoded into values, a batch of rows at a time
 *	 merge		selected rows of several images into a builder
 *	 validate	an image whose bytes a foreign program may have overwritten
 *
 * Every offset and length read from an image is checked before use: a corrupt
 * image is GSTORE_CODEC_CORRUPT, never a crash.
 */
#ifndef GSTORE_CODEC_H
#define GSTORE_CODEC_H

#include "port.h"

/* Bytes of a column name, PostgreSQL's NAMEDATALEN. */
#define GSTORE_NAME_LENGTH 64

/* Rows decoded at a time by a scan. */
#define GSTORE_BATCH_ROWS 1024

typedef enum GstoreFormat
{
	GSTORE_FORMAT_PGSTROM = 0,
	GSTORE_FORMAT_ARROW = 1
} GstoreFormat;

typedef enum GstoreCompression
{
	GSTORE_COMPRESSION_NONE = 0,
	GSTORE_COMPRESSION_PGLZ = 1
} GstoreCompression;

/* Which class of error; fdw/ and keeper/ map it to an SQLSTATE. */
typedef enum GstoreCodecStatus
{
	GSTORE_CODEC_OK = 0,
	GSTORE_CODEC_OUT_OF_MEMORY, /* 53200 */
	GSTORE_CODEC_LIMIT,			/* 54000: the format can hold no more */
	GSTORE_CODEC_VALUE,			/* 22023: this value has no place in the format */
	GSTORE_CODEC_CORRUPT		/* XX001: the image contradicts itself */
} GstoreCodecStatus;

typedef struct GstoreCodecError
{
	int column;		   /* index in the schema, -1: none */
	uint32 row;		   /* append_column: which of the values */
	char message[160]; /* lower case, no period */
	char hint[160];	   /* a sentence, or empty */
} GstoreCodecError;

/* How a value of a column is represented in memory (pg_type's words). */
typedef struct GstoreColumn
{
	char name[GSTORE_NAME_LENGTH]; /* NUL-padded */
	uint32 typid;				   /* pg_type.oid of the column, 0 if dropped */
	int32 typmod;
	int16 attnum;	/* 1 .. ncols */
	int16 attlen;	/* bytes, or -1: varlena */
	uint8 attalign; /* 1, 2, 4 or 8 bytes */
	bool attbyval;
	bool dropped;
	uint8 compression; /* GstoreCompression */
	/* Of format arrow; filled in by fdw/ from the type and the options, 0 for
	 * pgstrom.  See arrow.h for what each kind takes and gives. */
	uint8 arrow_kind; /* GstoreArrowKind */
	bool large_text;  /* int64 offsets: table option large_text */
	uint8 precision;  /* decimal: digits, 1 .. 38 */
	uint8 order;	  /* GstoreOrder: see bounds.h */
	int16 scale;	  /* decimal: of them behind the point */
	int16 reserved;	  /* 0 */
	/* Of a list or struct: fields columns[first_child] and the following of the
	 * schema; 0 otherwise. */
	uint32 nchildren;
	uint32 first_child;
} GstoreColumn;

/* Schemas are compared byte by byte: no padding. */
StaticAssertDecl(sizeof(GstoreColumn) == 96, "GstoreColumn has no padding");

/*
 * What an image of a table looks like now.  Dropped columns keep their place.
 * Behind the columns come the fields of nested ones: elements and attributes.
 */
typedef struct GstoreSchema
{
	uint32 table_oid;
	uint32 row_type; /* pg_class.reltype */
	int ncols;
	int nfields; /* columns, and fields of columns at any depth */
	GstoreColumn columns[];
} GstoreSchema;

/*
 * A value as PostgreSQL's Datum: by-value types in the low attlen bytes, others
 * a pointer; fixed-length by-reference values are attlen bytes, varlena begin
 * with their header.  A builder takes 1-byte and 4-byte varlena headers, also
 * pglz-compressed in-line values (it decompresses or keeps them), but never a
 * toast pointer.  A reader gives 4-byte headers, pglz-compressed in-line values
 * as they are, and pointers into the bound memory.  The value of a list or
 * struct is a pointer to a GstoreNested.
 */
typedef uint64 GstoreValue;

/* The elements of a list, or the attributes of a struct. */
typedef struct GstoreNested
{
	uint64 count;
	const GstoreValue *values; /* [count] */
	const bool *nulls;		   /* [count] */
} GstoreNested;

/*
 * What builders and readers need of those who use them.  alloc and resize
 * return NULL when there is no memory; sizes may pass 1 GiB; resize(NULL) is
 * alloc.  compress is the server's pglz: it writes at most length + 4 bytes to
 * target and returns how many, or -1 when that does not shrink the value;
 * where it is NULL, values of columns with compression pglz stay as they come.
 */
typedef struct GstoreAllocator
{
	void *(*alloc)(void *state, size_t bytes);
	void *(*resize)(void *state, void *memory, size_t bytes);
	void (*free)(void *state, void *memory);
	void *state;
	int32 (*compress)(const char *source, int32 length, char *target);
} GstoreAllocator;

/* malloc, realloc and free; no compression. */
extern const GstoreAllocator gstore_malloc_allocator;

/*
 * Memory that decode puts values in that are not in the image as the reader
 * wants them.  Begin with {.allocator = allocator}; decode grows it; the values
 * decoded with it are valid until it is used again.
 */
typedef struct GstoreScratch
{
	const GstoreAllocator *allocator;
	uint8 *memory;
	uint64 room;
	struct GstoreScratch *children; /* of the fields of a nested column */
	uint32 nchildren;
} GstoreScratch;

/* A scratch for each of so many fields, kept from call to call; NULL if there
 * is no memory. */
extern GstoreScratch *gstore_scratch_children(GstoreScratch *scratch,
											  uint32 nchildren);

/* At least so many bytes, 8-aligned, their content lost; NULL if there are
 * none.  gstore_scratch_free gives them back. */
extern void *gstore_scratch_reserve(GstoreScratch *scratch, uint64 bytes);
extern void gstore_scratch_free(GstoreScratch *scratch);

/* How the bytes of a bound column are to be read. */
typedef enum GstoreEncoding
{
	GSTORE_ENCODING_ABSENT = 0,		 /* every row is NULL */
	GSTORE_ENCODING_FIXED,			 /* values at stride bytes, native */
	GSTORE_ENCODING_PGSTROM_VARLENA, /* uint32 offsets in units of 8 bytes
										 * from base, 0 = NULL, to varlena */
	/* The values of view.arrow_kind as arrow.h tells: */
	GSTORE_ENCODING_ARROW_BITS,	  /* bool: values is a bitmap; the bit of the
								 * view's first row is values_bit */
	GSTORE_ENCODING_ARROW_FIXED,  /* values at stride bytes, to be converted */
	GSTORE_ENCODING_ARROW_TEXT,	  /* int32 or int64 (large_text) offsets, one
								 * more than rows, into base: bytes */
	GSTORE_ENCODING_ARROW_LIST,	  /* such offsets into the rows of its field;
								 * base: the image from block_offset */
	GSTORE_ENCODING_ARROW_STRUCT, /* fields with rows of the same number */
	GSTORE_ENCODING_REGISTER	  /* as programs have them; of no image */
} GstoreEncoding;

/*
 * A column of some rows of an image, in memory one can read.  Row i of the
 * view is row first_row + i of the image.  Row-indexed pointers (values,
 * offsets) point at the view's first row; validity is a bitmap whose bit
 * (validity_bit + i), LSB first, 1 = not NULL, is row i.
 */
typedef struct GstoreColumnView
{
	uint8 encoding; /* GstoreEncoding */
	int16 attlen;	/* from the schema stamp of the chunk */
	bool attbyval;
	uint32 stride; /* bytes from value to value, fixed only */
	uint32 typid;
	const uint8 *values;   /* fixed values, or the uint32 offsets */
	const uint8 *validity; /* NULL: no row is NULL by bitmap */
	uint32 validity_bit;   /* bit of the view's first row */
	const uint8 *base;	   /* what varlena offsets count from */
	uint64 base_from;	   /* bytes from base that are bound: readable is */
	uint64 base_to;		   /* [base + base_from, base + base_to) */
	uint32 values_bit;	   /* ARROW_BITS: bit of the view's first row */
	uint8 arrow_kind;	   /* GstoreArrowKind, as in the schema stamp */
	uint8 precision;
	int16 scale;
	bool large_text;
	/* Lists and structs only: */
	const GstoreSchema *schema; /* the chunk's, which outlives the view */
	uint32 field;				/* index in it */
	uint64 block_offset;		/* of base, from the image's first byte */
	uint64 first_row;			/* of the view */
} GstoreColumnView;

/* A range of bytes of an image. */
typedef struct GstoreByteRange
{
	uint64 offset;
	uint64 length;
} GstoreByteRange;

/* Most byte ranges one column of one view needs. */
#define GSTORE_RANGES_PER_COLUMN 4

typedef struct GstoreBuilder GstoreBuilder;
struct GstoreBounds;
typedef struct GstoreImage GstoreImage; /* a parsed image header */

/* What an image has of a column, for who lays one out without its rows. */
typedef struct GstoreColumnSize
{
	uint64 nulls;
	uint64 bytes; /* arrow: of text; pgstrom: of its dictionary */
} GstoreColumnSize;

typedef struct GstoreCodec
{
	const char *name; /* the table option's word */
	GstoreFormat format;
	uint32 alignment; /* buffers are padded with zeros to a multiple of it */

	/* ---- append ---- */

	/* An empty builder, or NULL when out of memory.  The schema must outlive
	 * it.  destroy frees it. */
	GstoreBuilder *(*builder_create)(const GstoreSchema *schema,
									 const GstoreAllocator *allocator);
	void (*builder_destroy)(GstoreBuilder *builder);
	/* Forget the rows, keep the memory warm. */
	void (*builder_reset)(GstoreBuilder *builder);
	/* Add one row, copying what by-reference values point to.  On failure
	 * the builder is as before the call. */
	GstoreCodecStatus (*append)(GstoreBuilder *builder,
								const GstoreValue *values, const bool *nulls,
								GstoreCodecError *error);
	/*
	 * The part of one column in adding count rows: nulls may be NULL where none
	 * of them is.  All columns but the dropped ones get theirs; columns may be
	 * worked on by different threads at the same time, as long as the allocator
	 * lets them.  After a failure the builder can only be reset or destroyed.
	 * set_rows: how many there are then.
	 */
	GstoreCodecStatus (*append_column)(GstoreBuilder *builder, int column,
									   const GstoreValue *values,
									   const bool *nulls, uint32 count,
									   GstoreCodecError *error);
	void (*set_rows)(GstoreBuilder *builder, uint64 rows);
	/* Are there values of the column's type that append refuses?  Then check
	 * tells whether it would refuse those of a row in such columns: cheap where
	 * it would not.  NULL: none is refused. */
	bool (*refuses)(const GstoreColumn *column);
	GstoreCodecStatus (*check)(const GstoreSchema *schema, const int *columns,
							   int ncolumns, const GstoreValue *values,
							   const bool *nulls, GstoreCodecError *error);
	const GstoreSchema *(*builder_schema)(const GstoreBuilder *builder);
	uint64 (*builder_rows)(const GstoreBuilder *builder);
	/* Bytes the image would have now, exactly; and of them a column's own. */
	uint64 (*builder_image_bytes)(const GstoreBuilder *builder);
	uint64 (*builder_column_bytes)(const GstoreBuilder *builder, int column);
	/* Bytes of private memory the builder holds. */
	uint64 (*builder_memory)(const GstoreBuilder *builder);
	/* The bounds of a column (bounds.h), one for each block of its rows, stride
	 * apart. */
	void (*builder_bounds)(const GstoreBuilder *builder, int column,
						   uint64 rows, struct GstoreBounds *bounds,
						   int stride);
	/*
	 * The image of many rows need not be copied: when the first of them are in the
	 * builder, and nothing is under way, its columns can settle where the image is to
	 * be, and grow there.  image_for: how much memory an image of about so many bytes
	 * wants, of rows like those in the builder, and how many rows it holds; 0: there is
	 * none of this schema, or these are as many.  settle: at image, 64-aligned, are so many bytes.  close_up:
	 * nothing is under way, and no row comes any more: bytes of the image to be
	 * written there (see write_header); 0: there is too little room for it, so that
	 * builder_image_bytes() are to be written elsewhere, before that memory goes.
	 * NULL: the format has none of this.
	 */
	uint64 (*image_for)(GstoreBuilder *builder, uint64 bytes, uint64 *rows);
	void (*settle)(GstoreBuilder *builder, void *image);
	uint64 (*close_up)(GstoreBuilder *builder);
	/*
	 * Write the image: builder_image_bytes() bytes at image, 64-aligned.  First
	 * the header, then each column's part, which like append_column may be done
	 * by different threads; a column may be reset as soon as its part is
	 * written.
	 */
	void (*write_header)(GstoreBuilder *builder, void *image);
	void (*write_column)(GstoreBuilder *builder, int column, void *image);
	void (*reset_column)(GstoreBuilder *builder, int column);
	/*
	 * Lay out an image of so many rows, at least one, of a schema without
	 * nested columns: write its first header_bytes to header, and tell how
	 * long it is.  GSTORE_CODEC_LIMIT: the format can hold no such image.
	 */
	GstoreCodecStatus (*lay_out)(const GstoreSchema *schema, uint64 rows,
								 const GstoreColumnSize *sizes, void *header,
								 uint64 *image_bytes,
								 GstoreCodecError *error);

	/* ---- view ---- */

	/* Leading bytes of an image that open needs to see, for this schema. */
	uint64 (*header_bytes)(const GstoreSchema *schema);
	/*
	 * Parse and check a header: header points to the first header_bytes (or
	 * image_bytes if fewer), image_bytes is the image's whole length, schema
	 * the one it was written with.  *image is allocated; close frees it.  It
	 * keeps no pointer to header.
	 */
	GstoreCodecStatus (*open)(const void *header, uint64 image_bytes,
							  const GstoreSchema *schema,
							  const GstoreAllocator *allocator,
							  GstoreImage **image, GstoreCodecError *error);
	void (*close)(GstoreImage *image);
	uint64 (*rows)(const GstoreImage *image);
	/* The bytes rows [first, first + count) of a column need; returns how many
	 * ranges (at most GSTORE_RANGES_PER_COLUMN) were set.  Offsets are
	 * 64-byte aligned downward where the image allows it. */
	int (*column_ranges)(const GstoreImage *image, int column,
						 uint64 first, uint64 count,
						 GstoreByteRange *ranges);
	/* Make a column view of memory that holds those ranges: pointers[i] is
	 * where ranges[i] lies.  Checks what can be checked in constant time. */
	GstoreCodecStatus (*bind)(const GstoreImage *image, int column,
							  uint64 first, uint64 count,
							  const void *const *pointers,
							  GstoreColumnView *view,
							  GstoreCodecError *error);

	/* ---- project ---- */

	/* Decode rows [from, from + count) of a view into values and nulls; where
	 * only is not NULL, those in it (LSB first, bit 0 is row from): the rest
	 * means nothing.  Pointers stay valid as long as the bound memory does and scratch is not
	 * used again; one scratch per column.  Values of NULL rows
	 * mean nothing. */
	GstoreCodecStatus (*decode)(const GstoreColumnView *view, uint64 from,
								uint64 count, const uint8 *only,
								GstoreValue *values,
								bool *nulls, GstoreScratch *scratch,
								GstoreCodecError *error);

	/* ---- validate ---- */

	/* Check a whole image, every offset and length, before it is trusted
	 * without further checks (by kernels, by foreign programs). */
	GstoreCodecStatus (*validate)(const void *image, uint64 image_bytes,
								  const GstoreSchema *schema,
								  GstoreCodecError *error);
} GstoreCodec;

extern const GstoreCodec gstore_pgstrom_codec;
extern const GstoreCodec gstore_arrow_codec;

/* Fill in an error; returns status. */
extern GstoreCodecStatus gstore_codec_fail(GstoreCodecError *error,
										   GstoreCodecStatus status,
										   int column, const char *message,
										   const char *hint);
/* The same for bytes that contradict themselves. */
extern GstoreCodecStatus gstore_codec_corrupt(GstoreCodecError *error,
											  int column,
											  const char *message);

/* Write all of an image (see write_header). */
extern void gstore_builder_write(const GstoreCodec *codec,
								 GstoreBuilder *builder, void *image);

/* The codec of a format; NULL if there is none. */
extern const GstoreCodec *gstore_codec(GstoreFormat format);

/*
 * Merge: append rows of an opened image, wholly in memory at bytes, to a
 * builder of any format and of a schema that may have more columns than the
 * image's (they are NULL) or drop some.  keep is a bitmap of the rows to take
 * (LSB first), NULL for all.  Stops at the first error.
 */
extern GstoreCodecStatus gstore_codec_merge(const GstoreCodec *target,
											GstoreBuilder *builder,
											const GstoreSchema *target_schema,
											const GstoreCodec *source,
											const GstoreImage *image,
											const GstoreSchema *source_schema,
											const void *bytes,
											const uint8 *keep,
											const GstoreAllocator *allocator,
											GstoreCodecError *error);

#endif
