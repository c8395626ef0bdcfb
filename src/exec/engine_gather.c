/*
 * engine_gather.c
 *	  What the kernel GATHER is told, and what becomes of what it tells; see
 *	  engine_gather.h.
 *
 * Must never trust what was told more than an image: a place outside of the room
 * for texts is refused.  Includes no PostgreSQL header.
 */
#include <string.h>

#include "codec/arrow.h"
#include "exec/engine_gather.h"

/* Launches beyond this are not worth their copying. */
#define MOST_BYTES (UINT64_C(256) << 20)

#define PART_ALIGNMENT 64

/* ---- columns ---- */

static bool
kind_of(const GstoreColumnView *view, GstoreGatherKind *kind)
{
	uint32 alignment = 1;

	switch (view->encoding)
	{
		case GSTORE_ENCODING_FIXED:
		case GSTORE_ENCODING_ARROW_FIXED:
			*kind = GSTORE_GATHER_VALUES;
			break;
		case GSTORE_ENCODING_ARROW_BITS:
			*kind = GSTORE_GATHER_BITS;
			break;
		case GSTORE_ENCODING_PGSTROM_VARLENA:
			*kind = GSTORE_GATHER_VARLENA;
			alignment = (uintptr_t) view->base % 4 == 0 ? 4 : 0;
			break;
		case GSTORE_ENCODING_ARROW_TEXT:
			*kind = view->large_text ? GSTORE_GATHER_OFFSETS_8
									 : GSTORE_GATHER_OFFSETS_4;
			alignment = view->large_text ? 8 : 4;
			break;
		default:
			return false;
	}
	return alignment != 0 && (uintptr_t) view->values % alignment == 0;
}

static bool
is_absent(const GstoreColumnView *view)
{
	return view->encoding == GSTORE_ENCODING_ABSENT;
}

bool
gstore_gather_takes(const GstoreColumnView *columns, int ncolumns)
{
	GstoreGatherKind kind;

	for (int i = 0; i < ncolumns; i++)
		if (!is_absent(&columns[i]) && !kind_of(&columns[i], &kind))
			return false;
	return true;
}

/* Bytes that a value takes in its array. */
static uint32
width_of(const GstoreColumnView *view)
{
	GstoreGatherKind kind;

	if (is_absent(view) || !kind_of(view, &kind))
		return 0;
	switch (kind)
	{
		case GSTORE_GATHER_VALUES:
			return view->stride;
		case GSTORE_GATHER_BITS:
			return 1;
		case GSTORE_GATHER_VARLENA:
			return sizeof(uint32);
		default:
			return sizeof(GstoreGatherText);
	}
}

uint64
gstore_gather_text_bytes(const GstoreColumnView *columns, int ncolumns,
						 uint64 rows)
{
	uint64 bytes = 0;

	for (int i = 0; i < ncolumns; i++)
		if (columns[i].base != NULL && !is_absent(&columns[i]))
			bytes += (columns[i].base_to - columns[i].base_from) / rows + 8;
	return bytes;
}

/* ---- the launch ---- */

/* Where the arrays of a column are, from the launch on. */
typedef struct Places
{
	uint64 values;
	uint64 validity; /* 0: none */
} Places;

/* Of the columns in order; *at goes behind them. */
static Places
place_column(const GstoreColumnView *view, uint32 nrows, uint64 *at)
{
	Places places = {*at, 0};

	*at += GSTORE_ALIGN((uint64) nrows * width_of(view), PART_ALIGNMENT);
	if (is_absent(view) || view->validity == NULL)
		return places;
	places.validity = *at;
	*at += GSTORE_ALIGN(nrows, PART_ALIGNMENT);
	return places;
}

bool
gstore_gather_layout(const GstoreColumnView *columns, int ncolumns,
					 uint32 nrows, uint64 text_bytes,
					 GstoreGatherLayout *layout)
{
	GstoreGather *gather = &layout->gather;
	uint64 at = sizeof(GstoreGather);

	memset(layout, 0, sizeof(*layout));
	gather->nrows = nrows;
	gather->ncolumns = (uint32) ncolumns;
	gather->columns = at;
	at += (uint64) ncolumns * sizeof(GstoreGatherColumn);
	gather->rows = at;
	gather->result = GSTORE_ALIGN(at + (uint64) nrows * sizeof(uint32),
								  PART_ALIGNMENT);
	layout->copied_bytes = gather->result + sizeof(GstoreGatherResult);
	at = GSTORE_ALIGN(layout->copied_bytes, PART_ALIGNMENT);
	for (int i = 0; i < ncolumns; i++)
		(void) place_column(&columns[i], nrows, &at);
	gather->texts = at;
	gather->texts_bytes = GSTORE_ALIGN(text_bytes, 8);
	gather->bytes = at + gather->texts_bytes;
	layout->result_bytes = gather->bytes - gather->result;
	return text_bytes <= MOST_BYTES && gather->bytes <= MOST_BYTES;
}

void
gstore_gather_write(const GstoreColumnView *columns, int ncolumns,
					const uint32 *rows, const GstoreGatherLayout *layout,
					void *memory)
{
	const GstoreGather *gather = &layout->gather;
	GstoreGatherColumn *to =
		(GstoreGatherColumn *) ((uint8 *) memory + gather->columns);
	GstoreGatherResult *result =
		(GstoreGatherResult *) ((uint8 *) memory + gather->result);
	uint64 at = GSTORE_ALIGN(layout->copied_bytes, PART_ALIGNMENT);
	uint32 n = 0;

	memset(memory, 0, layout->copied_bytes);
	memcpy((uint8 *) memory + gather->rows, rows,
		   gather->nrows * sizeof(uint32));
	result->used = 8;
	for (int i = 0; i < ncolumns; i++)
	{
		const GstoreColumnView *view = &columns[i];
		Places places = place_column(view, gather->nrows, &at);
		GstoreGatherKind kind;

		if (is_absent(view) || !kind_of(view, &kind))
			continue;
		to[n].values = (uintptr_t) view->values + view->values_bit / 8;
		to[n].values_bit = (uint8) (view->values_bit % 8);
		to[n].base = (uintptr_t) view->base;
		to[n].base_from = view->base_from;
		to[n].base_to = view->base_to;
		to[n].to_values = places.values;
		to[n].to_validity = places.validity;
		to[n].width = width_of(view);
		to[n].kind = (uint8) kind;
		if (places.validity != 0)
		{
			to[n].validity = (uintptr_t) view->validity +
							 view->validity_bit / 8;
			to[n].validity_bit = (uint8) (view->validity_bit % 8);
		}
		n++;
	}
	memcpy(memory, gather, sizeof(*gather));
	((GstoreGather *) memory)->ncolumns = n;
}

/* ---- the result ---- */

typedef struct Reading
{
	const GstoreGatherLayout *layout;
	const uint8 *result;
	const GstoreAllocator *allocator;
	uint64 used; /* of the room for texts */
} Reading;

static const uint8 *
part(const Reading *reading, uint64 at)
{
	return reading->result + (at - reading->layout->gather.result);
}

/* A bitmap of bytes that are 0 or 1; NULL: no memory. */
static const uint8 *
pack(const Reading *reading, const uint8 *bytes)
{
	uint32 nrows = reading->layout->gather.nrows;
	uint8 *bits = reading->allocator->alloc(reading->allocator->state,
											(nrows + 7) / 8);

	if (bits == NULL)
		return NULL;
	memset(bits, 0, (nrows + 7) / 8);
	for (uint32 i = 0; i < nrows; i++)
		bits[i / 8] |= (uint8) ((bytes[i] & 1) << (i % 8));
	return bits;
}

/* Texts one behind the other, as Arrow has them. */
static GstoreGatherOutcome
line_up(const Reading *reading, const GstoreGatherText *texts,
		GstoreColumnView *view)
{
	const GstoreGather *gather = &reading->layout->gather;
	const uint8 *room = part(reading, gather->texts);
	uint32 width = view->large_text ? 8 : 4;
	uint64 bytes = 0;
	uint8 *offsets;
	uint8 *data;

	for (uint32 i = 0; i < gather->nrows; i++)
	{
		uint64 from = (uint64) texts[i].units * 8;

		if (texts[i].length > 0 &&
			(from < 8 || from > reading->used ||
			 texts[i].length > reading->used - from))
			return GSTORE_GATHER_REFUSED;
		bytes += texts[i].length;
	}
	if (width == 4 && bytes > INT32_MAX)
		return GSTORE_GATHER_REFUSED;
	offsets = reading->allocator->alloc(reading->allocator->state,
										((uint64) gather->nrows + 1) * width + bytes);
	if (offsets == NULL)
		return GSTORE_GATHER_NO_MEMORY;
	data = offsets + ((uint64) gather->nrows + 1) * width;
	bytes = 0;
	for (uint32 i = 0; i <= gather->nrows; i++)
	{
		memcpy(offsets + (uint64) i * width, &bytes, width);
		if (i == gather->nrows)
			break;
		memcpy(data + bytes, room + (uint64) texts[i].units * 8,
			   texts[i].length);
		bytes += texts[i].length;
	}
	view->values = offsets;
	view->base = data;
	view->base_from = 0;
	view->base_to = bytes;
	return GSTORE_GATHERED;
}

static GstoreGatherOutcome
read_column(const Reading *reading, Places places, GstoreColumnView *view)
{
	const uint8 *values = part(reading, places.values);
	GstoreGatherKind kind;

	view->first_row = 0;
	view->validity_bit = view->values_bit = 0;
	view->validity = NULL;
	if (is_absent(view) || !kind_of(view, &kind))
		return GSTORE_GATHERED;
	if (places.validity != 0)
	{
		view->validity = pack(reading, part(reading, places.validity));
		if (view->validity == NULL)
			return GSTORE_GATHER_NO_MEMORY;
	}
	switch (kind)
	{
		case GSTORE_GATHER_VALUES:
			view->values = values;
			return GSTORE_GATHERED;
		case GSTORE_GATHER_BITS:
			view->values = pack(reading, values);
			return view->values == NULL ? GSTORE_GATHER_NO_MEMORY
										: GSTORE_GATHERED;
		case GSTORE_GATHER_VARLENA:
			view->values = values;
			view->base = part(reading, reading->layout->gather.texts);
			view->base_from = 8;
			view->base_to = Max(reading->used, 8);
			return GSTORE_GATHERED;
		default:
			return line_up(reading, (const GstoreGatherText *) values, view);
	}
}

GstoreGatherOutcome
gstore_gather_read(const GstoreColumnView *columns, int ncolumns,
				   const GstoreGatherLayout *layout, const void *result,
				   const GstoreAllocator *allocator, GstoreColumnView *views,
				   uint64 *text_bytes)
{
	const GstoreGatherResult *head = result;
	Reading reading = {layout, result, allocator, head->used};
	uint64 at = GSTORE_ALIGN(layout->copied_bytes, PART_ALIGNMENT);

	if (head->damaged != 0)
		return GSTORE_GATHER_REFUSED;
	if (head->used > Max(layout->gather.texts_bytes, 8))
	{
		*text_bytes = head->used;
		return GSTORE_GATHER_MORE;
	}
	for (int i = 0; i < ncolumns; i++)
	{
		GstoreGatherOutcome outcome;

		views[i] = columns[i];
		outcome = read_column(&reading,
							  place_column(&columns[i], layout->gather.nrows,
										   &at),
							  &views[i]);
		if (outcome != GSTORE_GATHERED)
			return outcome;
	}
	return GSTORE_GATHERED;
}
