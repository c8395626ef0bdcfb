/*
 * gstore_format.h
 *	  The layout of the memory that gstore_fdw exports, for programs that map
 *	  it: structs, constants and accessors, in C99, C++11 and CUDA.
 *
 * An exported region begins with one image of a table.  An image is contiguous,
 * describes itself and holds no pointer: offsets count bytes (or units of 8
 * bytes, where said) from its first byte.  All numbers are little-endian.
 * There are two formats; GSTORE_IMAGE_IS_ARROW() tells them apart.
 *
 * pgstrom: the column format of PG-Strom 2.1.
 *
 *		GstorePgstromHeader				56 bytes
 *		GstorePgstromColumn[ncols]		24 bytes each
 *		names[ncols]					64 bytes each, NUL-padded; padded to 16
 *		one block per column that is not NULL in every row, padded to 8:
 *		  fixed length	values[nitems], each GSTORE_PGSTROM_STRIDE bytes, padded
 *						to 8; then, if a row is NULL, a bitmap (LSB first, 1 =
 *						not NULL), padded to 8
 *		  varlena		uint32 offsets[nitems], padded to 8: 0 = NULL, else
 *						where the value begins, in units of 8 bytes from the
 *						first offset; then the values, each padded to 8.  Rows
 *						may share a value, or not
 *		A value of a varlena column is what PostgreSQL stores: a uint32 whose
 *		upper 30 bits are the length in bytes, itself included, and whose low
 *		bits are 00 for a plain value and 10 for one compressed by pglz: then
 *		a uint32, the size of the plain value without a header, and the
 *		stream follow.
 *
 * arrow: Apache Arrow's columnar buffers behind a header of ours.
 *
 *		GstoreArrowHeader				64 bytes
 *		GstoreArrowColumn[ncols]		192 bytes each
 *		the columns' buffers, each at a multiple of 64 and zero-padded to one;
 *		the data of a list or struct column is a GstoreArrowColumn for each of
 *		its children, followed by their buffers
 *
 * Bytes in exported memory may have been overwritten by any program that mapped
 * it.  The accessors trust what they read: check first where that matters.
 * This file must include nothing of PostgreSQL's and must never change the
 * meaning of a field without a new version.
 */
#ifndef GSTORE_FORMAT_H
#define GSTORE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#ifndef GSTORE_INLINE
#ifdef __CUDACC__
#define GSTORE_INLINE static __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define GSTORE_INLINE static inline __attribute__((unused))
#else
#define GSTORE_INLINE static inline
#endif
#endif

#ifdef __cplusplus
#define GSTORE_FORMAT_ASSERT(name, condition) \
	static_assert(condition, #name)
#else
/* C99 has no static assertion: an array of -1 elements is as good. */
#define GSTORE_FORMAT_ASSERT(name, condition) \
	typedef char gstore_assert_##name[(condition) ? 1 : -1]
#endif

/* Bytes of a column's name, NUL-padded (PostgreSQL's NAMEDATALEN). */
#define GSTORE_FORMAT_NAME_BYTES 64

/* ---- pgstrom ---- */

/* GstorePgstromHeader.format */
#define GSTORE_PGSTROM_FORMAT_COLUMN 5

typedef struct GstorePgstromHeader
{
	uint64_t length;		  /* bytes of the image */
	uint32_t nitems;		  /* rows */
	uint32_t usage;			  /* bytes used, in units of 8 (modulo 2^32) */
	uint32_t nrooms;		  /* rows there is room for: nitems */
	uint32_t ncols;			  /* columns, dropped ones included:
							   * pg_class.relnatts */
	uint8_t format;			  /* GSTORE_PGSTROM_FORMAT_COLUMN */
	uint8_t has_notbyval;	  /* 1: some column's type is by reference */
	uint8_t has_attnames;	  /* 1: names follow the columns */
	uint8_t tdhasoid;		  /* 0 */
	uint32_t tdtypeid;		  /* row type: pg_class.reltype */
	int32_t tdtypmod;		  /* -1 */
	uint32_t table_oid;		  /* pg_class.oid */
	uint32_t nslots;		  /* 0 */
	uint32_t hash_min;		  /* 0 */
	uint32_t hash_max;		  /* 0xFFFFFFFF */
	uint32_t nrows_per_block; /* 0 */
} GstorePgstromHeader;

typedef struct GstorePgstromColumn
{
	uint8_t attbyval;	 /* pg_attribute.attbyval */
	uint8_t attalign;	 /* alignment in bytes: 1, 2, 4 or 8 */
	int16_t attlen;		 /* bytes of a value, -1: varlena */
	int16_t attnum;		 /* pg_attribute.attnum, from 1 */
	int16_t attcacheoff; /* -1 */
	uint32_t atttypid;	 /* pg_type.oid, 0: dropped */
	int32_t atttypmod;	 /* pg_attribute.atttypmod */
	uint32_t va_offset;	 /* where the column's block begins, in units of 8
						  * bytes; 0: NULL in every row, or dropped */
	uint32_t va_length;	 /* its length, in units of 8 bytes */
} GstorePgstromColumn;

GSTORE_FORMAT_ASSERT(pgstrom_header, sizeof(GstorePgstromHeader) == 56);
GSTORE_FORMAT_ASSERT(pgstrom_column, sizeof(GstorePgstromColumn) == 24);
GSTORE_FORMAT_ASSERT(pgstrom_format, offsetof(GstorePgstromHeader, format) == 24);
GSTORE_FORMAT_ASSERT(pgstrom_last,
					 offsetof(GstorePgstromHeader, nrows_per_block) == 52);
GSTORE_FORMAT_ASSERT(pgstrom_offset,
					 offsetof(GstorePgstromColumn, va_offset) == 16);

/* n rounded up to a multiple of to, a power of two. */
#define GSTORE_FORMAT_ALIGN(n, to) \
	(((uint64_t) (n) + ((to) -1)) & ~((uint64_t) (to) -1))

/* Bytes from one value of a column to the next. */
#define GSTORE_PGSTROM_STRIDE(attlen, attalign) \
	((uint32_t) ((attlen) < 0 ? 4 : GSTORE_FORMAT_ALIGN(attlen, attalign)))

/* Bytes of header, columns and names: where the first block begins. */
#define GSTORE_PGSTROM_BODY(ncols) \
	GSTORE_FORMAT_ALIGN(sizeof(GstorePgstromHeader) + \
							(uint64_t) (ncols) * \
								(sizeof(GstorePgstromColumn) + \
								 GSTORE_FORMAT_NAME_BYTES), \
						16)

GSTORE_INLINE const GstorePgstromColumn *
gstore_pgstrom_column(const void *image, uint32_t column)
{
	return (const GstorePgstromColumn *) ((const char *) image +
										  sizeof(GstorePgstromHeader)) +
		   column;
}

/* The column's name: at most 63 bytes and a NUL. */
GSTORE_INLINE const char *
gstore_pgstrom_name(const void *image, uint32_t column)
{
	const GstorePgstromHeader *header = (const GstorePgstromHeader *) image;

	return (const char *) gstore_pgstrom_column(image, header->ncols) +
		   (size_t) column * GSTORE_FORMAT_NAME_BYTES;
}

GSTORE_INLINE uint32_t
gstore_pgstrom_stride(const GstorePgstromColumn *column)
{
	return GSTORE_PGSTROM_STRIDE(column->attlen, column->attalign);
}

/* Bytes of a column's array of values or offsets, with its padding. */
GSTORE_INLINE uint64_t
gstore_pgstrom_array_bytes(const void *image, const GstorePgstromColumn *column)
{
	const GstorePgstromHeader *header = (const GstorePgstromHeader *) image;

	return GSTORE_FORMAT_ALIGN((uint64_t) header->nitems *
								   gstore_pgstrom_stride(column),
							   8);
}

/* The column's block; NULL if it is NULL in every row. */
GSTORE_INLINE const uint8_t *
gstore_pgstrom_block(const void *image, const GstorePgstromColumn *column)
{
	return column->va_offset == 0
			   ? (const uint8_t *) 0
			   : (const uint8_t *) image + (uint64_t) column->va_offset * 8;
}

/* The null bitmap of a fixed-length column; NULL if no row is NULL by it. */
GSTORE_INLINE const uint8_t *
gstore_pgstrom_validity(const void *image, const GstorePgstromColumn *column)
{
	uint64_t array = gstore_pgstrom_array_bytes(image, column);

	if (column->va_offset == 0 || column->attlen < 0 ||
		(uint64_t) column->va_length * 8 <= array)
		return (const uint8_t *) 0;
	return gstore_pgstrom_block(image, column) + array;
}

/* Where a row's value lies; NULL if it is NULL.  A varlena begins with its
 * 4-byte header. */
GSTORE_INLINE const void *
gstore_pgstrom_value(const void *image, uint32_t column, uint64_t row)
{
	const GstorePgstromColumn *meta = gstore_pgstrom_column(image, column);
	const uint8_t *block = gstore_pgstrom_block(image, meta);
	const uint8_t *validity;

	if (block == 0)
		return (const void *) 0;
	if (meta->attlen < 0)
	{
		uint32_t offset = ((const uint32_t *) block)[row];

		return offset == 0 ? (const void *) 0
						   : block + (uint64_t) offset * 8;
	}
	validity = gstore_pgstrom_validity(image, meta);
	if (validity != 0 && !(validity[row / 8] >> (row % 8) & 1))
		return (const void *) 0;
	return block + row * gstore_pgstrom_stride(meta);
}

/* Bytes of a varlena value, its header included. */
GSTORE_INLINE uint32_t
gstore_pgstrom_varlena_bytes(const void *value)
{
	return *(const uint32_t *) value >> 2;
}

/* Is a varlena value compressed by pglz? */
GSTORE_INLINE int
gstore_pgstrom_is_compressed(const void *value)
{
	return (*(const uint32_t *) value & 3) == 2;
}

/* Bytes of the plain value, without a header, of a compressed one. */
GSTORE_INLINE uint32_t
gstore_pgstrom_raw_bytes(const void *value)
{
	return ((const uint32_t *) value)[1] & 0x3FFFFFFF;
}

/* ---- arrow ---- */

/* GstoreArrowHeader.magic: the bytes "GSTARROW". */
#define GSTORE_ARROW_MAGIC UINT64_C(0x574F525241545347)
#define GSTORE_ARROW_VERSION 1
/* What an image with list or struct columns says instead. */
#define GSTORE_ARROW_VERSION_NESTED 2

/* Every buffer begins at, and is padded to, a multiple of this. */
#define GSTORE_ARROW_ALIGNMENT 64

typedef struct GstoreArrowHeader
{
	uint64_t magic;		   /* GSTORE_ARROW_MAGIC */
	uint32_t version;	   /* GSTORE_ARROW_VERSION, or _NESTED */
	uint32_t header_bytes; /* header and columns: where buffers begin */
	uint64_t length;	   /* bytes of the image */
	uint64_t rows;
	uint32_t ncols;		   /* columns, dropped ones included */
	uint32_t column_bytes; /* sizeof(GstoreArrowColumn) */
	uint32_t table_oid;	   /* pg_class.oid */
	uint32_t row_type;	   /* pg_class.reltype */
	uint64_t reserved[2];  /* 0 */
} GstoreArrowHeader;

/*
 * A column.  format is the format string of Arrow's C data interface:
 *	 "n"		dropped: NULL in every row, no buffers
 *	 "b"		bool, one bit per row in data, LSB first
 *	 "C"		bool, one byte per row
 *	 "s" "i" "l" "f" "g"	int16, int32, int64, float32, float64
 *	 "I"		oid, uint32
 *	 "tdD"		date, int32 days since 1970-01-01
 *	 "ttu"		time, int64 microseconds since midnight
 *	 "tsu:"		timestamp, int64 microseconds since 1970-01-01
 *	 "tsu:UTC"	timestamp with time zone, likewise, UTC
 *	 "tin"		interval: int32 months, int32 days, int64 nanoseconds
 *	 "d:P,S"	numeric: 128-bit integer, value * 10^S, at most P digits
 *	 "w:16"		uuid, 16 bytes
 *	 "u" "U"	text in UTF-8, with int32 or int64 offsets
 *	 "z"		bytea, with int32 offsets ("Z": int64)
 *	 "+l" "+L"	array, with int32 or int64 offsets: its one child has the elements
 *	 "+s"		composite: a child for each attribute, with as many rows
 * Text and bytea: row i is data[offsets[i] .. offsets[i + 1]).  Arrays: row i is
 * rows [offsets[i], offsets[i + 1]) of the child.  Offsets of a child's buffers
 * count from the image's first byte, too.
 */
typedef struct GstoreArrowColumn
{
	char name[GSTORE_FORMAT_NAME_BYTES]; /* pg_attribute.attname */
	char format[32];					 /* NUL-padded; see above */
	uint64_t null_count;				 /* rows that are NULL */
	uint64_t validity_offset;			 /* bitmap, LSB first, 1 = not NULL;
										  * 0: there is none, no row is NULL */
	uint64_t validity_length;			 /* bytes, without padding */
	uint64_t offsets_offset;			 /* rows + 1 offsets; 0: there are none */
	uint64_t offsets_length;			 /* bytes, without padding */
	uint64_t data_offset;				 /* values, or children with all their
										  * buffers; 0: there are none */
	uint64_t data_length;				 /* bytes, without padding */
	uint32_t atttypid;					 /* pg_type.oid, 0: dropped */
	int32_t atttypmod;					 /* pg_attribute.atttypmod */
	int16_t attnum;						 /* pg_attribute.attnum, from 1; a child:
										  * its place among its siblings */
	uint16_t nchildren;					 /* list: 1, struct: attributes, else 0 */
	uint8_t reserved[4];				 /* 0 */
	uint64_t rows;						 /* of a child; 0 in the table's columns,
										  * which have the header's */
	uint8_t more_reserved[16];			 /* 0 */
} GstoreArrowColumn;

GSTORE_FORMAT_ASSERT(arrow_header, sizeof(GstoreArrowHeader) == 64);
GSTORE_FORMAT_ASSERT(arrow_column, sizeof(GstoreArrowColumn) == 192);
GSTORE_FORMAT_ASSERT(arrow_rows, offsetof(GstoreArrowHeader, rows) == 24);
GSTORE_FORMAT_ASSERT(arrow_child_rows,
					 offsetof(GstoreArrowColumn, rows) == 168);
GSTORE_FORMAT_ASSERT(arrow_nulls,
					 offsetof(GstoreArrowColumn, null_count) == 96);

/* Is the image of format arrow (else pgstrom, whose first bytes are its length
 * and cannot be that large)? */
#define GSTORE_IMAGE_IS_ARROW(image) \
	(*(const uint64_t *) (image) == GSTORE_ARROW_MAGIC)

GSTORE_INLINE const GstoreArrowColumn *
gstore_arrow_column(const void *image, uint32_t column)
{
	return (const GstoreArrowColumn *) ((const char *) image +
										sizeof(GstoreArrowHeader)) +
		   column;
}

/* Is the row of the column not NULL? */
GSTORE_INLINE int
gstore_arrow_is_valid(const void *image, const GstoreArrowColumn *column,
					  uint64_t row)
{
	const uint8_t *validity =
		(const uint8_t *) image + column->validity_offset;

	if (column->format[0] == 'n')
		return 0;
	return column->validity_offset == 0 ||
		   (validity[row / 8] >> (row % 8) & 1);
}

/* A column's values. */
GSTORE_INLINE const void *
gstore_arrow_data(const void *image, const GstoreArrowColumn *column)
{
	return (const uint8_t *) image + column->data_offset;
}

/* A row of a text or bytea column: where it begins, and its length in bytes. */
GSTORE_INLINE const uint8_t *
gstore_arrow_text(const void *image, const GstoreArrowColumn *column,
				  uint64_t row, uint64_t *length)
{
	const uint8_t *data = (const uint8_t *) image + column->data_offset;
	const uint8_t *offsets = (const uint8_t *) image + column->offsets_offset;
	uint64_t from;
	uint64_t to;

	if (column->format[0] == 'U' || column->format[0] == 'Z')
	{
		from = (uint64_t) ((const int64_t *) offsets)[row];
		to = (uint64_t) ((const int64_t *) offsets)[row + 1];
	}
	else
	{
		from = (uint64_t) ((const int32_t *) offsets)[row];
		to = (uint64_t) ((const int32_t *) offsets)[row + 1];
	}
	*length = to - from;
	return data + from;
}

/* A child of a list or struct column. */
GSTORE_INLINE const GstoreArrowColumn *
gstore_arrow_child(const void *image, const GstoreArrowColumn *column,
				   uint32_t child)
{
	return (const GstoreArrowColumn *) ((const char *) image +
										column->data_offset) +
		   child;
}

/* A row of a list column: the first of its rows in the child, and how many. */
GSTORE_INLINE uint64_t
gstore_arrow_list(const void *image, const GstoreArrowColumn *column,
				  uint64_t row, uint64_t *length)
{
	const uint8_t *offsets = (const uint8_t *) image + column->offsets_offset;
	uint64_t from;
	uint64_t to;

	if (column->format[1] == 'L')
	{
		from = (uint64_t) ((const int64_t *) offsets)[row];
		to = (uint64_t) ((const int64_t *) offsets)[row + 1];
	}
	else
	{
		from = (uint64_t) ((const int32_t *) offsets)[row];
		to = (uint64_t) ((const int32_t *) offsets)[row + 1];
	}
	*length = to - from;
	return from;
}

#endif
