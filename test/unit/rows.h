/*
 * rows.h
 *	  What the tests of the codecs share: TAP, schemas, made-up rows, and
 *	  whether an image gives them back.
 */
#ifndef GSTORE_TEST_ROWS_H
#define GSTORE_TEST_ROWS_H

#include "codec/codec.h"

/* ---- TAP ---- */

extern bool tap_ok(bool good, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The plan; the program's exit status. */
extern int tap_done(void);

/* ---- schemas ---- */

extern GstoreSchema *schema_new(int ncols);
extern GstoreColumn *schema_set(GstoreSchema *schema, int column,
								const char *name, uint32 typid, int attlen,
								int attalign, bool attbyval);
/* One column of every representation, the fourth one dropped. */
extern GstoreSchema *schema_of_everything(void);
/* One column of every kind that format arrow has, the fourth one dropped. */
extern GstoreSchema *schema_of_arrow(bool large_text);
/* Lists and structs, in each other to a depth of three. */
extern GstoreSchema *schema_of_nested(bool large_text);

/* ---- rows ---- */

typedef enum NullPattern
{
	NULLS_NONE,
	NULLS_ALL,
	NULLS_SOME,	  /* a third, by hash */
	NULLS_FIRST,  /* only row 0 */
	NULLS_LAST,	  /* only the last row */
	NULLS_BUT_ONE /* all but the last row */
} NullPattern;
#define NULL_PATTERNS 6

/* Rows made from a seed, the same each time. */
typedef struct Rows
{
	const GstoreSchema *schema;
	uint64 count;
	NullPattern nulls;
	uint32 seed;
	uint32 distinct; /* varlena: how many different ones; 0: all differ */
	bool packed;	 /* varlena: 1-byte headers where they fit */
} Rows;

extern bool row_is_null(const Rows *rows, int column, uint64 row);
/* The value, in buffer or by value; buffer has ROW_BUFFER bytes. */
#define ROW_BUFFER 16384
extern GstoreValue row_value(const Rows *rows, int column, uint64 row,
							 uint8 *buffer);
extern GstoreCodecStatus rows_append(const GstoreCodec *codec,
									 GstoreBuilder *builder, const Rows *rows,
									 uint64 from, uint64 to,
									 GstoreCodecError *error);
/* A malloc'ed image of a builder's rows. */
extern uint8 *builder_image(const GstoreCodec *codec,
							GstoreBuilder *builder, uint64 *bytes);

/* Write an image of rows to one file and the rows to another: a line each, in
 * it a tab behind each value, hexadecimal (varlena: without header), \\N for
 * NULL.  0, or 1 if that fails. */
extern int rows_write(const GstoreCodec *codec, const Rows *rows,
					  const char *image_path, const char *rows_path);

/* ---- reading back ---- */

/* Are values of a column equal, whatever the varlena headers? */
extern bool values_equal(const GstoreColumn *column, GstoreValue a,
						 GstoreValue b);
/* Does the image decode, in windows of window rows, to rows [0, count)? */
extern bool image_holds(const GstoreCodec *codec, const uint8 *image,
						uint64 bytes, const Rows *rows, uint64 window);
/* Open, bind and decode everything there is, in bounds or not: the status of
 * the first failure. */
extern GstoreCodecStatus image_walk(const GstoreCodec *codec,
									const uint8 *image, uint64 bytes,
									const GstoreSchema *schema);

/* A small random generator. */
extern uint64 mix(uint64 x);

#endif
