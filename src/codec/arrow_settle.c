/*
 * arrow_settle.c
 *	  Columns of a builder that grow where their image is to be.
 *
 * The image of a large chunk would be copied out of private memory, all of which is
 * touched for the first and the last time then.  Instead, when the first rows of it
 * are there, they tell how much of the image each column will take:
 *
 *	 header | values, or offsets, of each column | texts of each | the rest
 *
 * Texts have some more room than that.  Bitmaps stay private, and so does what
 * outgrows its room: it goes to the rest, when the image is closed up.  If the rows
 * turned out fewer or shorter, the arrays move together before.
 */
#include <string.h>

#include "codec/arrow_builder.h"

/* What texts may need more than those of the first rows tell: one part in so many. */
#define SPARE 32
/* What may be lost between arrays: of the image, one part in so many. */
#define MOST_LOST 64

#define PAD GSTORE_ARROW_PAD

typedef GstoreArrowBuild Column;

static inline bool
settles(const Column *column)
{
	return column->kind != GSTORE_ARROW_NONE &&
		   column->kind != GSTORE_ARROW_BOOL;
}

/* Bytes before a column's values: offsets begin with a zero. */
static inline uint64
head_bytes(const Column *column)
{
	return gstore_arrow_has_offsets(column) ? (uint64) 1 << column->shift : 0;
}

static inline uint64
values_bytes(const Column *column)
{
	return PAD(head_bytes(column) + (column->rows << column->shift));
}

uint64
gstore_arrow_image_for(GstoreBuilder *builder, uint64 bytes, uint64 *rows)
{
	const GstoreSchema *schema = builder->schema;
	uint64 at = GSTORE_ARROW_BODY(schema->ncols);
	uint64 content = gstore_arrow_bytes(builder) - at;
	bool any = false;

	if (schema->nfields > schema->ncols || content == 0 ||
		bytes <= at + content)
		return 0;
	*rows = GSTORE_ALIGN((uint64) ((double) builder->rows *
								   ((double) (bytes - at) / (double) content)),
						 64);
	for (int i = 0; i < schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		if (!settles(column))
			continue;
		column->values_place.at = at + head_bytes(column);
		column->values_place.room = *rows << column->shift;
		at += PAD(head_bytes(column) + column->values_place.room);
		any = true;
	}
	for (int i = 0; i < schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		uint64 texts = (uint64) ((double) column->text_bytes /
								 (double) builder->rows * (double) *rows);

		column->text_place.at = at;
		column->text_place.room = PAD(texts + texts / SPARE);
		at += column->text_place.room;
	}
	at += schema->ncols * 2 * PAD(*rows / 8);
	builder->image_room = at;
	builder->image_rows = *rows;
	return any ? at : 0;
}

/* Bitmaps for so many rows; false: no memory. */
static bool
extend_bitmaps(GstoreBuilder *builder, Column *column, uint64 rows)
{
	const GstoreAllocator *allocator = &builder->allocator;
	uint64 before = column->room / 8;
	uint8 *grown = allocator->resize(allocator->state, column->validity,
									 rows / 8);

	if (grown == NULL)
		return false;
	memset(grown + before, 0xFF, rows / 8 - before);
	column->validity = grown;
	if (column->kind != GSTORE_ARROW_BOOL)
		return true;
	grown = allocator->resize(allocator->state, column->values, rows / 8);
	if (grown == NULL)
		return false;
	memset(grown + before, 0, rows / 8 - before);
	column->values = grown;
	column->room = rows;
	return true;
}

/* Where the bytes of an array lie from now on. */
static uint8 *
move_to(uint8 *image, GstoreArrowArray *place, uint8 *array, uint64 bytes,
		uint64 own_room)
{
	if (bytes > 0)
		memcpy(image + place->at, array, bytes);
	place->settled = true;
	place->own = array;
	place->own_room = own_room;
	return image + place->at;
}

void
gstore_arrow_settle(GstoreBuilder *builder, void *image)
{
	uint64 rows = builder->image_rows;

	builder->image = image;
	builder->closed_up = 0;
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		/* without memory for it, the column grows as ever */
		if (column->kind == GSTORE_ARROW_NONE ||
			(rows > column->room && !extend_bitmaps(builder, column, rows)) ||
			!settles(column))
			continue;
		column->values = move_to(image, &column->values_place, column->values,
								 column->rows << column->shift, column->room);
		column->room = rows;
		if (column->text_bytes == 0 ||
			column->text_bytes > column->text_place.room)
			continue;
		column->text = move_to(image, &column->text_place, column->text,
							   column->text_bytes, column->text_room);
		column->text_room = column->text_place.room;
	}
}

/* ---- closing up ---- */

/* What of a column goes behind the arrays: as write_column writes it. */
static uint64
rest_bytes(const Column *column)
{
	uint64 bits = PAD((column->rows + 7) / 8);
	uint64 bytes = column->null_count > 0 ? bits : 0;

	if (column->kind == GSTORE_ARROW_NONE)
		return 0;
	if (column->kind == GSTORE_ARROW_BOOL)
		return bytes + bits;
	if (!column->values_place.settled)
		bytes += values_bytes(column);
	if (!column->text_place.settled && gstore_arrow_has_offsets(column))
		bytes += PAD(column->text_bytes);
	return bytes;
}

/* Move an array down to *at, where what precedes it ends. */
static uint8 *
move_down(uint8 *image, GstoreArrowArray *place, uint8 *array, uint64 head,
		  uint64 bytes, uint64 *at)
{
	if (!place->settled)
		return array;
	if (place->at - head != *at && bytes > 0)
		memmove(image + *at + head, array, bytes);
	place->at = *at + head;
	*at += PAD(head + bytes);
	return image + place->at;
}

/* Close the gaps between the arrays that settled; where the last one ends. */
static uint64
close_gaps(GstoreBuilder *builder)
{
	uint64 at = GSTORE_ARROW_BODY(builder->schema->ncols);

	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		column->values = move_down(builder->image, &column->values_place,
								   column->values, head_bytes(column),
								   column->rows << column->shift, &at);
	}
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		column->text = move_down(builder->image, &column->text_place,
								 column->text, 0, column->text_bytes, &at);
	}
	return at;
}

/* Zeros from *at to an array, behind which *at is then. */
static void
clear_gap(uint8 *image, const GstoreArrowArray *place, uint64 head,
		  uint64 bytes, uint64 *at)
{
	if (!place->settled)
		return;
	memset(image + *at, 0, place->at - head - *at);
	*at = place->at - head + PAD(head + bytes);
}

/* What lies in the gaps between the arrays was others' memory. */
static void
clear_gaps(GstoreBuilder *builder)
{
	uint64 at = GSTORE_ARROW_BODY(builder->schema->ncols);

	for (int i = 0; i < builder->schema->ncols; i++)
	{
		const Column *column = &builder->columns[i];

		clear_gap(builder->image, &column->values_place, head_bytes(column),
				  column->rows << column->shift, &at);
	}
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		const Column *column = &builder->columns[i];

		clear_gap(builder->image, &column->text_place, 0, column->text_bytes,
				  &at);
	}
}

uint64
gstore_arrow_close_up(GstoreBuilder *builder)
{
	uint64 body = GSTORE_ARROW_BODY(builder->schema->ncols);
	uint64 tight = body; /* bytes without gaps, */
	uint64 end = body;	 /* and as the arrays lie */
	uint64 rest = 0;

	builder->closed_up = 0;
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		const Column *column = &builder->columns[i];

		if (column->values_place.settled)
		{
			tight += values_bytes(column);
			end = Max(end, column->values_place.at - head_bytes(column) + values_bytes(column));
		}
		if (column->text_place.settled)
		{
			tight += PAD(column->text_bytes);
			end = Max(end, column->text_place.at + PAD(column->text_bytes));
		}
		rest += rest_bytes(column);
	}
	if (end == body || tight + rest > builder->image_room)
		return 0;
	if (end - tight > tight / MOST_LOST || end + rest > builder->image_room)
		end = close_gaps(builder);
	else
		clear_gaps(builder);
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		builder->columns[i].at = end;
		end += rest_bytes(&builder->columns[i]);
	}
	builder->closed_up = end;
	return end;
}
