/*
 * arrow_builder.h
 *	  Inside arrow_build.c and arrow_settle.c: what a builder of format arrow is.
 */
#ifndef GSTORE_ARROW_BUILDER_H
#define GSTORE_ARROW_BUILDER_H

#include "codec/arrow.h"
#include "codec/bounds.h"

/* Bytes, or rows of text, in an array, and what it was before it moved to the
 * image. */
typedef struct GstoreArrowArray
{
	bool settled;	 /* it lies in the image */
	uint8 *own;		 /* private memory meanwhile, for the next image; or NULL */
	uint64 own_room; /* in the unit of the column's room */
	uint64 at;		 /* where in the image, */
	uint64 room;	 /* and how many bytes there */
} GstoreArrowArray;

typedef struct GstoreArrowBuild
{
	const GstoreColumn *def;
	const GstoreArrowType *type;
	uint8 kind;		 /* GstoreArrowKind */
	uint8 shift;	 /* a row has 1 << shift bytes of values: values, or
						 * offsets; bits: 0 */
	uint64 rows;	 /* a dropped column has none */
	uint64 room;	 /* rows the arrays hold */
	uint8 *values;	 /* [room << shift]: values; bits [room / 8]; or where
						 * each row's text ends, int32 or int64 */
	uint8 *validity; /* [room / 8] at least */
	uint64 null_count;
	uint8 *text;
	uint64 text_bytes; /* of a list: rows of its field */
	uint64 text_room;
	GstoreArrowArray values_place;
	GstoreArrowArray text_place;
	uint64 at;			   /* where the rest of its part of the image begins */
	GstoreScratch scratch; /* for normalize.h */
	GstoreColumnBounds bounds;
} GstoreArrowBuild;

struct GstoreBuilder
{
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	uint64 rows;
	uint64 max_text;   /* bytes of text that int32 offsets reach */
	uint8 *image;	   /* that columns settled in, or NULL */
	uint64 image_room; /* its bytes; */
	uint64 image_rows; /* and the rows that columns have room for */
	uint64 closed_up;  /* bytes of it that are the image; 0: it is no image */
	GstoreArrowBuild columns[];
};

#define GSTORE_ARROW_PAD(bytes) GSTORE_ALIGN(bytes, GSTORE_ARROW_ALIGNMENT)

static inline bool
gstore_arrow_has_offsets(const GstoreArrowBuild *column)
{
	return column->type->encoding == GSTORE_ENCODING_ARROW_TEXT ||
		   column->type->encoding == GSTORE_ENCODING_ARROW_LIST;
}

#endif
