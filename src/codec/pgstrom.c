/*
 * pgstrom.c
 *	  The `pgstrom' image: PG-Strom 2.1's column format, little-endian.
 *
 *		header, 56 bytes			struct Header
 *		column metas, 24 bytes each	struct ColumnMeta
 *		column names, 64 bytes each, together padded to 16
 *		then, from a multiple of 16 on, one array per column that is not all
 *		NULL, each padded to 8:
 *		fixed length	values at attlen rounded up to their alignment; if
 *						any row is NULL, a bitmap (LSB first, 1 = not NULL)
 *		varlena			a uint32 per row: 0 = NULL, else the offset, in units
 *						of 8 bytes from the start of this array, of a value in
 *						the dictionary behind the array
 *
 * A dictionary holds each value once, in the order of first use, as long as
 * that pays.  Must never trust an offset or a length it reads from an image.
 */
#include <string.h>

#include "codec/codec.h"

#define FORMAT_COLUMN 5

typedef struct Header
{
	uint64 length; /* bytes of the image */
	uint32 nitems; /* rows */
	uint32 usage;  /* bytes used, in units of 8 */
	uint32 nrooms; /* = nitems */
	uint32 ncols;
	uint8 format; /* FORMAT_COLUMN */
	uint8 has_notbyval;
	uint8 has_attnames;
	uint8 tdhasoid;
	uint32 tdtypeid;
	int32 tdtypmod;
	uint32 table_oid;
	uint32 nslots;
	uint32 hash_min;
	uint32 hash_max;
	uint32 nrows_per_block;
} Header;

typedef struct ColumnMeta
{
	uint8 attbyval;
	uint8 attalign; /* bytes */
	int16 attlen;
	int16 attnum;
	int16 attcacheoff; /* -1 */
	uint32 atttypid;
	int32 atttypmod;
	uint32 va_offset; /* in units of 8 bytes; 0: all NULL */
	uint32 va_length; /* in units of 8 bytes */
} ColumnMeta;

StaticAssertDecl(sizeof(Header) == 56, "pgstrom header is 56 bytes");
StaticAssertDecl(sizeof(ColumnMeta) == 24, "pgstrom column meta is 24 bytes");

#define MAX_ROWS UINT64_C(0xFFFFFFFF)
/* Offsets are 32 bits in units of 8 bytes. */
#define MAX_OFFSET (UINT64_C(0xFFFFFFFF) * 8)

/* Values a dictionary looks at before it judges whether it pays, and the
 * distinct ones of them above which it does not. */
#define DICTIONARY_TRIAL 4096
#define DICTIONARY_DISTINCT (DICTIONARY_TRIAL / 2)

/* ---- building ---- */

/* A slot of the table that finds a value's place: 0 = empty. */
typedef struct DictionarySlot
{
	uint32 hash;
	uint32 place; /* as in Column.offsets */
} DictionarySlot;

typedef struct Column
{
	const GstoreColumn *def;
	uint32 stride; /* bytes from value to value; varlena: 4 */
	bool any_null;
	bool any_value;
	uint8 *values;	 /* [rows_room * stride]; varlena: uint32 places:
								 * 0 = NULL, else 1 + units of 8 bytes into
								 * the dictionary */
	uint8 *validity; /* [rows_room / 8], fixed only */
	uint8 *dictionary;
	uint64 dictionary_bytes;
	uint64 dictionary_room;
	DictionarySlot *slots; /* NULL: not deduplicating */
	uint32 nslots;		   /* power of two */
	uint32 ndistinct;
	uint64 nseen;
	bool given_up;
} Column;

struct GstoreBuilder
{
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	uint64 rows;
	uint64 room;   /* rows the arrays hold */
	uint64 memory; /* bytes allocated */
	Column columns[];
};

static uint64
header_size(const GstoreSchema *schema)
{
	return GSTORE_ALIGN(sizeof(Header) + schema->ncols *
											 (sizeof(ColumnMeta) + GSTORE_NAME_LENGTH),
						16);
}

static uint32
column_stride(const GstoreColumn *def)
{
	return def->attlen < 0 ? sizeof(uint32) : (uint32) GSTORE_ALIGN(def->attlen, def->attalign);
}

static void *
resize(GstoreBuilder *builder, void *memory, uint64 before, uint64 after)
{
	void *result = builder->allocator.resize(builder->allocator.state,
											 memory, after);

	if (result != NULL)
		builder->memory += after - before;
	return result;
}

static void
release(GstoreBuilder *builder, void *memory)
{
	if (memory != NULL)
		builder->allocator.free(builder->allocator.state, memory);
}

static GstoreBuilder *
builder_create(const GstoreSchema *schema, const GstoreAllocator *allocator)
{
	size_t bytes = sizeof(GstoreBuilder) + schema->ncols * sizeof(Column);
	GstoreBuilder *builder = allocator->alloc(allocator->state, bytes);

	if (builder == NULL)
		return NULL;
	memset(builder, 0, bytes);
	builder->schema = schema;
	builder->allocator = *allocator;
	builder->memory = bytes;
	for (int i = 0; i < schema->ncols; i++)
	{
		builder->columns[i].def = &schema->columns[i];
		builder->columns[i].stride = column_stride(&schema->columns[i]);
	}
	return builder;
}

static void
builder_destroy(GstoreBuilder *builder)
{
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		release(builder, column->values);
		release(builder, column->validity);
		release(builder, column->dictionary);
		release(builder, column->slots);
	}
	release(builder, builder);
}

static void
builder_reset(GstoreBuilder *builder)
{
	builder->rows = 0;
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		column->any_null = column->any_value = false;
		column->dictionary_bytes = 0;
		column->ndistinct = 0;
		column->nseen = 0;
		column->given_up = false;
		if (column->slots != NULL)
			memset(column->slots, 0,
				   column->nslots * sizeof(DictionarySlot));
	}
}

/* Room for one more row in every column. */
static bool
make_room(GstoreBuilder *builder)
{
	uint64 room = builder->room == 0 ? 64 : builder->room * 2;

	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];
		void *memory;

		if (column->def->dropped)
			continue;
		memory = resize(builder, column->values,
						builder->room * column->stride,
						room * column->stride);
		if (memory == NULL)
			return false;
		column->values = memory;
		if (column->def->attlen < 0)
			continue;
		memory = resize(builder, column->validity, builder->room / 8,
						room / 8);
		if (memory == NULL)
			return false;
		column->validity = memory;
	}
	builder->room = room;
	return true;
}

static inline uint64
read_word(const uint8 *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* A 32-bit hash of some bytes, for dictionaries only: never stored. */
static uint32
hash_bytes_fast(const uint8 *bytes, size_t length)
{
	const uint64 factor = UINT64_C(0x9E3779B97F4A7C15);
	uint64 hash = length * factor;

	while (length >= 8)
	{
		hash = (hash ^ read_word(bytes)) * factor;
		hash ^= hash >> 32;
		bytes += 8;
		length -= 8;
	}
	if (length > 0)
	{
		uint64 word = 0;

		memcpy(&word, bytes, length);
		hash = (hash ^ word) * factor;
		hash ^= hash >> 32;
	}
	return (uint32) (hash ^ (hash >> 17));
}

/* Twice as many slots; false when out of memory. */
static bool
grow_slots(GstoreBuilder *builder, Column *column)
{
	uint32 nslots = column->nslots == 0 ? 256 : column->nslots * 2;
	size_t bytes = nslots * sizeof(DictionarySlot);
	DictionarySlot *slots = builder->allocator.alloc(builder->allocator.state,
													 bytes);

	if (slots == NULL)
		return false;
	memset(slots, 0, bytes);
	for (uint32 i = 0; i < column->nslots; i++)
	{
		DictionarySlot slot = column->slots[i];
		uint32 at = slot.hash & (nslots - 1);

		if (slot.place == 0)
			continue;
		while (slots[at].place != 0)
			at = (at + 1) & (nslots - 1);
		slots[at] = slot;
	}
	release(builder, column->slots);
	builder->memory += bytes - column->nslots * sizeof(DictionarySlot);
	column->slots = slots;
	column->nslots = nslots;
	return true;
}

/* A varlena of the builder's caller, taken apart. */
typedef struct Varlena
{
	uint32 header;	   /* the 4-byte header it gets here */
	const uint8 *body; /* bytes behind the header */
	size_t body_bytes;
} Varlena;

/* See postgres.h, "varattrib": lowest bit 1 is a 1-byte header, low bits 10 a
 * compressed value, 00 a plain one (little-endian). */
static Varlena
take_apart(const void *value)
{
	const uint8 *bytes = value;
	Varlena result;

	if (bytes[0] & 1)
	{
		result.body = bytes + 1;
		result.body_bytes = (bytes[0] >> 1) - 1;
		result.header = (uint32) (result.body_bytes + 4) << 2;
	}
	else
	{
		memcpy(&result.header, bytes, sizeof(result.header));
		result.body = bytes + 4;
		result.body_bytes = (result.header >> 2) - 4;
	}
	return result;
}

/* The place of an equal value, or 0 with *slot where it belongs. */
static uint32
find_value(const Column *column, const Varlena *value, uint32 hash,
		   uint32 *slot)
{
	uint32 at = hash & (column->nslots - 1);

	for (; column->slots[at].place != 0; at = (at + 1) & (column->nslots - 1))
	{
		const uint8 *other;

		if (column->slots[at].hash != hash)
			continue;
		other = column->dictionary +
				(uint64) (column->slots[at].place - 1) * 8;
		if (memcmp(other, &value->header, 4) == 0 &&
			memcmp(other + 4, value->body, value->body_bytes) == 0)
			return column->slots[at].place;
	}
	*slot = at;
	return 0;
}

static GstoreCodecStatus
add_value(GstoreBuilder *builder, Column *column, const Varlena *value,
		  uint32 *place, GstoreCodecError *error)
{
	uint64 bytes = GSTORE_ALIGN(value->body_bytes + 4, 8);
	uint64 end = column->dictionary_bytes + bytes;
	uint8 *target;

	if (end + (builder->rows + 2) * sizeof(uint32) > MAX_OFFSET)
	{
		error->column = (int) (column - builder->columns);
		strcpy(error->message,
			   "the values of one chunk exceed the 32 GB that the format pgstrom can address");
		strcpy(error->hint, "Lower gstore_fdw.chunk_size.");
		return GSTORE_CODEC_LIMIT;
	}
	if (end > column->dictionary_room)
	{
		uint64 room = Max(end, Max(column->dictionary_room +
									   column->dictionary_room / 2,
								   1024));
		void *memory = resize(builder, column->dictionary,
							  column->dictionary_room, room);

		if (memory == NULL)
			return GSTORE_CODEC_OUT_OF_MEMORY;
		column->dictionary = memory;
		column->dictionary_room = room;
	}
	target = column->dictionary + column->dictionary_bytes;
	memset(target + bytes - 8, 0, 8);
	memcpy(target, &value->header, 4);
	memcpy(target + 4, value->body, value->body_bytes);
	*place = (uint32) (column->dictionary_bytes / 8) + 1;
	column->dictionary_bytes = end;
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
append_varlena(GstoreBuilder *builder, Column *column, const void *pointer,
			   GstoreCodecError *error)
{
	Varlena value = take_apart(pointer);
	uint32 place = 0;
	uint32 slot = 0;
	uint32 hash = 0;
	bool deduplicate = !column->given_up;
	GstoreCodecStatus status;

	if (deduplicate)
	{
		if (column->ndistinct * 2 >= column->nslots &&
			!grow_slots(builder, column))
			return GSTORE_CODEC_OUT_OF_MEMORY;
		hash = hash_bytes_fast(value.body, value.body_bytes);
		place = find_value(column, &value, hash, &slot);
	}
	if (place == 0)
	{
		status = add_value(builder, column, &value, &place, error);
		if (status != GSTORE_CODEC_OK)
			return status;
		if (deduplicate)
		{
			column->slots[slot].hash = hash;
			column->slots[slot].place = place;
			column->ndistinct++;
		}
	}
	((uint32 *) column->values)[builder->rows] = place;
	column->any_value = true;
	if (++column->nseen == DICTIONARY_TRIAL &&
		column->ndistinct > DICTIONARY_DISTINCT)
		column->given_up = true;
	return GSTORE_CODEC_OK;
}

static inline void
store_fixed(uint8 *target, const GstoreColumn *def, uint32 stride,
			GstoreValue value)
{
	if (!def->attbyval)
	{
		memcpy(target, (const void *) (uintptr_t) value, def->attlen);
		if (stride > (uint32) def->attlen)
			memset(target + def->attlen, 0, stride - def->attlen);
		return;
	}
	switch (def->attlen)
	{
		case 1:
			*target = (uint8) value;
			break;
		case 2:
			*(uint16 *) target = (uint16) value;
			break;
		case 4:
			*(uint32 *) target = (uint32) value;
			break;
		default:
			*(uint64 *) target = value;
			break;
	}
}

static GstoreCodecStatus
append(GstoreBuilder *builder, const GstoreValue *values, const bool *nulls,
	   GstoreCodecError *error)
{
	uint64 row = builder->rows;
	int ncols = builder->schema->ncols;

	error->column = -1;
	error->hint[0] = '\0';
	if (row >= builder->room)
	{
		if (row >= MAX_ROWS)
		{
			strcpy(error->message,
				   "a chunk of the format pgstrom holds at most 4294967295 rows");
			return GSTORE_CODEC_LIMIT;
		}
		strcpy(error->message, "out of memory");
		if (!make_room(builder))
			return GSTORE_CODEC_OUT_OF_MEMORY;
	}
	for (int i = 0; i < ncols; i++)
	{
		Column *column = &builder->columns[i];
		const GstoreColumn *def = column->def;

		if (unlikely(def->dropped))
			continue;
		if (def->attlen < 0)
		{
			GstoreCodecStatus status;

			if (nulls[i])
			{
				((uint32 *) column->values)[row] = 0;
				column->any_null = true;
				continue;
			}
			status = append_varlena(builder, column,
									(const void *) (uintptr_t) values[i],
									error);
			if (unlikely(status != GSTORE_CODEC_OK))
				return status;
			continue;
		}
		if (row % 8 == 0)
			column->validity[row / 8] = 0;
		if (nulls[i])
		{
			memset(column->values + row * column->stride, 0, column->stride);
			column->validity[row / 8] &= ~(1 << (row % 8));
			column->any_null = true;
		}
		else
		{
			store_fixed(column->values + row * column->stride, def,
						column->stride, values[i]);
			column->validity[row / 8] |= 1 << (row % 8);
			column->any_value = true;
		}
	}
	builder->rows = row + 1;
	return GSTORE_CODEC_OK;
}

static uint64
builder_rows(const GstoreBuilder *builder)
{
	return builder->rows;
}

static uint64
builder_memory(const GstoreBuilder *builder)
{
	return builder->memory;
}

static uint64
column_bytes(const Column *column, uint64 rows)
{
	uint64 bytes;

	if (!column->any_value)
		return 0;
	bytes = GSTORE_ALIGN(rows * column->stride, 8);
	if (column->def->attlen < 0)
		bytes += column->dictionary_bytes;
	else if (column->any_null)
		bytes += GSTORE_ALIGN((rows + 7) / 8, 8);
	return bytes;
}

static uint64
builder_image_bytes(const GstoreBuilder *builder)
{
	uint64 bytes = header_size(builder->schema);

	for (int i = 0; i < builder->schema->ncols; i++)
		bytes += column_bytes(&builder->columns[i], builder->rows);
	return bytes;
}

static void
write_column(const Column *column, uint64 rows, uint8 *target)
{
	uint64 array = rows * column->stride;
	uint64 padded = GSTORE_ALIGN(array, 8);

	memset(target + padded - 8, 0, padded > 0 ? 8 : 0);
	if (column->def->attlen < 0)
	{
		const uint32 *places = (const uint32 *) column->values;
		uint32 *offsets = (uint32 *) target;
		uint32 shift = (uint32) (padded / 8) - 1;

		for (uint64 row = 0; row < rows; row++)
			offsets[row] = places[row] == 0 ? 0 : places[row] + shift;
		memcpy(target + padded, column->dictionary, column->dictionary_bytes);
		return;
	}
	memcpy(target, column->values, array);
	if (column->any_null)
	{
		uint64 bytes = (rows + 7) / 8;
		uint64 padded_bytes = GSTORE_ALIGN(bytes, 8);

		memset(target + padded + padded_bytes - 8, 0, 8);
		memcpy(target + padded, column->validity, bytes);
	}
}

static void
builder_write(const GstoreBuilder *builder, void *image)
{
	const GstoreSchema *schema = builder->schema;
	Header *header = image;
	ColumnMeta *metas = (ColumnMeta *) (header + 1);
	char *names = (char *) (metas + schema->ncols);
	uint64 at = header_size(schema);

	memset(image, 0, at);
	header->nitems = header->nrooms = (uint32) builder->rows;
	header->ncols = schema->ncols;
	header->format = FORMAT_COLUMN;
	header->has_attnames = 1;
	header->tdtypeid = schema->row_type;
	header->tdtypmod = -1;
	header->table_oid = schema->table_oid;
	header->hash_max = 0xFFFFFFFF;
	for (int i = 0; i < schema->ncols; i++)
	{
		const Column *column = &builder->columns[i];
		const GstoreColumn *def = column->def;
		uint64 bytes = column_bytes(column, builder->rows);

		metas[i].attbyval = def->attbyval;
		metas[i].attalign = def->attalign;
		metas[i].attlen = def->attlen;
		metas[i].attnum = def->attnum;
		metas[i].attcacheoff = -1;
		metas[i].atttypid = def->typid;
		metas[i].atttypmod = def->typmod;
		memcpy(names + i * GSTORE_NAME_LENGTH, def->name, GSTORE_NAME_LENGTH);
		if (!def->attbyval && !def->dropped)
			header->has_notbyval = 1;
		if (bytes == 0)
			continue;
		metas[i].va_offset = (uint32) (at / 8);
		metas[i].va_length = (uint32) (bytes / 8);
		write_column(column, builder->rows, (uint8 *) image + at);
		at += bytes;
	}
	header->length = at;
	header->usage = (uint32) (at / 8);
}

/* ---- reading ---- */

typedef struct Extent
{
	uint64 offset; /* bytes; 0: all NULL */
	uint64 length;
	bool has_validity;
} Extent;

struct GstoreImage
{
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	uint64 rows;
	Extent columns[];
};

static GstoreCodecStatus
corrupt(GstoreCodecError *error, int column, const char *what)
{
	error->column = column;
	strcpy(error->message, what);
	strcpy(error->hint,
		   "A program that mapped the exported memory may have overwritten it.");
	return GSTORE_CODEC_CORRUPT;
}

static GstoreCodecStatus
parse_column(const ColumnMeta *meta, const GstoreColumn *def, int number,
			 uint64 rows, uint64 image_bytes, Extent *extent,
			 GstoreCodecError *error)
{
	uint64 array;

	extent->offset = (uint64) meta->va_offset * 8;
	extent->length = (uint64) meta->va_length * 8;
	extent->has_validity = false;
	if (extent->offset == 0 || def->dropped)
	{
		extent->offset = extent->length = 0;
		return GSTORE_CODEC_OK;
	}
	if (meta->attlen != def->attlen)
		return corrupt(error, number, "the chunk's header names another type");
	if (extent->offset > image_bytes ||
		extent->length > image_bytes - extent->offset)
		return corrupt(error, number,
					   "the chunk's header points outside the chunk");
	array = GSTORE_ALIGN(rows * column_stride(def), 8);
	if (extent->length < array)
		return corrupt(error, number,
					   "the chunk has fewer values than it has rows");
	if (def->attlen >= 0 && extent->length > array)
	{
		if (extent->length - array < (rows + 7) / 8)
			return corrupt(error, number,
						   "the chunk's null bitmap is shorter than it has rows");
		extent->has_validity = true;
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
open_image(const void *bytes, uint64 image_bytes, const GstoreSchema *schema,
		   const GstoreAllocator *allocator, GstoreImage **image,
		   GstoreCodecError *error)
{
	const Header *header = bytes;
	const ColumnMeta *metas = (const ColumnMeta *) (header + 1);
	GstoreImage *result;

	error->column = -1;
	error->hint[0] = '\0';
	if (image_bytes < header_size(schema) || header->length != image_bytes ||
		header->format != FORMAT_COLUMN ||
		header->ncols != (uint32) schema->ncols)
		return corrupt(error, -1, "a chunk's header is damaged");
	result = allocator->alloc(allocator->state, sizeof(GstoreImage) +
													schema->ncols * sizeof(Extent));
	if (result == NULL)
	{
		strcpy(error->message, "out of memory");
		return GSTORE_CODEC_OUT_OF_MEMORY;
	}
	result->schema = schema;
	result->allocator = *allocator;
	result->rows = header->nitems;
	for (int i = 0; i < schema->ncols; i++)
	{
		GstoreCodecStatus status =
			parse_column(&metas[i], &schema->columns[i], i, result->rows,
						 image_bytes, &result->columns[i], error);

		if (status != GSTORE_CODEC_OK)
		{
			allocator->free(allocator->state, result);
			return status;
		}
	}
	*image = result;
	return GSTORE_CODEC_OK;
}

static void
close_image(GstoreImage *image)
{
	image->allocator.free(image->allocator.state, image);
}

static uint64
image_rows(const GstoreImage *image)
{
	return image->rows;
}

/* Fixed: values, then the bitmap's bytes.  Varlena: offsets, then the whole
 * dictionary. */
static int
column_ranges(const GstoreImage *image, int column, uint64 first,
			  uint64 count, GstoreByteRange *ranges)
{
	const Extent *extent = &image->columns[column];
	const GstoreColumn *def = &image->schema->columns[column];
	uint32 stride = column_stride(def);
	uint64 array = GSTORE_ALIGN(image->rows * stride, 8);

	if (extent->offset == 0)
		return 0;
	ranges[0].offset = extent->offset + first * stride;
	ranges[0].length = count * stride;
	if (def->attlen < 0)
	{
		ranges[1].offset = extent->offset + array;
		ranges[1].length = extent->length - array;
		return 2;
	}
	if (!extent->has_validity)
		return 1;
	ranges[1].offset = extent->offset + array + first / 8;
	ranges[1].length = (first % 8 + count + 7) / 8;
	return 2;
}

static GstoreCodecStatus
bind(const GstoreImage *image, int column, uint64 first, uint64 count,
	 const void *const *pointers, GstoreColumnView *view,
	 GstoreCodecError *error)
{
	const Extent *extent = &image->columns[column];
	const GstoreColumn *def = &image->schema->columns[column];
	uint32 stride = column_stride(def);
	uint64 array = GSTORE_ALIGN(image->rows * stride, 8);

	(void) count;
	(void) error;
	memset(view, 0, sizeof(*view));
	view->attlen = def->attlen;
	view->attbyval = def->attbyval;
	view->stride = stride;
	view->typid = def->typid;
	if (extent->offset == 0)
	{
		view->encoding = GSTORE_ENCODING_ABSENT;
		return GSTORE_CODEC_OK;
	}
	view->values = pointers[0];
	if (def->attlen < 0)
	{
		view->encoding = GSTORE_ENCODING_PGSTROM_VARLENA;
		view->base = (const uint8 *) pointers[1] - array;
		view->base_from = array;
		view->base_to = extent->length;
		return GSTORE_CODEC_OK;
	}
	view->encoding = GSTORE_ENCODING_FIXED;
	if (extent->has_validity)
	{
		view->validity = pointers[1];
		view->validity_bit = first % 8;
	}
	return GSTORE_CODEC_OK;
}

/* ---- decoding ---- */

static inline bool
is_valid(const GstoreColumnView *view, uint64 row)
{
	uint64 bit = view->validity_bit + row;

	return view->validity == NULL ||
		   (view->validity[bit / 8] & (1 << (bit % 8))) != 0;
}

/* As fetch_att() makes Datums: by-value types are sign-extended. */
static void
decode_fixed(const GstoreColumnView *view, uint64 from, uint64 count,
			 GstoreValue *values)
{
	const uint8 *source = view->values + from * view->stride;

	if (!view->attbyval)
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (uintptr_t) (source + i * view->stride);
	else if (view->attlen == 8)
		memcpy(values, source, count * 8);
	else if (view->attlen == 4)
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (int64) ((const int32 *) source)[i];
	else if (view->attlen == 2)
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (int64) ((const int16 *) source)[i];
	else
		for (uint64 i = 0; i < count; i++)
			values[i] = (GstoreValue) (int64) ((const int8 *) source)[i];
}

/* A value lies wholly in the dictionary, and says so itself. */
static bool
is_sound(const GstoreColumnView *view, uint64 offset)
{
	uint32 header;
	uint64 length;

	if (offset < view->base_from || offset + 4 > view->base_to)
		return false;
	memcpy(&header, view->base + offset, sizeof(header));
	length = header >> 2;
	if ((header & 1) != 0 || length < 4 || length > view->base_to - offset)
		return false;
	return (header & 3) == 0 || length >= 8;
}

static GstoreCodecStatus
decode_varlena(const GstoreColumnView *view, uint64 from, uint64 count,
			   GstoreValue *values, bool *nulls, GstoreCodecError *error)
{
	const uint32 *offsets = (const uint32 *) view->values + from;

	for (uint64 i = 0; i < count; i++)
	{
		uint64 offset = (uint64) offsets[i] * 8;

		nulls[i] = offset == 0;
		values[i] = (GstoreValue) (uintptr_t) (view->base + offset);
		if (unlikely(offset != 0 && !is_sound(view, offset)))
			return corrupt(error, -1,
						   "a value points outside its chunk's dictionary");
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
decode(const GstoreColumnView *view, uint64 from, uint64 count,
	   GstoreValue *values, bool *nulls, void *scratch,
	   GstoreCodecError *error)
{
	(void) scratch;
	error->column = -1;
	error->hint[0] = '\0';
	switch (view->encoding)
	{
		case GSTORE_ENCODING_ABSENT:
			memset(nulls, true, count * sizeof(bool));
			memset(values, 0, count * sizeof(GstoreValue));
			return GSTORE_CODEC_OK;
		case GSTORE_ENCODING_PGSTROM_VARLENA:
			return decode_varlena(view, from, count, values, nulls, error);
		default:
			decode_fixed(view, from, count, values);
			if (view->validity == NULL)
				memset(nulls, false, count * sizeof(bool));
			else
				for (uint64 i = 0; i < count; i++)
					nulls[i] = !is_valid(view, from + i);
			return GSTORE_CODEC_OK;
	}
}

/* ---- validating ---- */

static GstoreCodecStatus
validate_column(const GstoreImage *image, int column, const uint8 *bytes,
				GstoreCodecError *error)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	GstoreColumnView view;
	int n = column_ranges(image, column, 0, image->rows, ranges);

	for (int i = 0; i < n; i++)
		pointers[i] = bytes + ranges[i].offset;
	(void) bind(image, column, 0, image->rows, pointers, &view, error);
	if (view.encoding == GSTORE_ENCODING_PGSTROM_VARLENA)
		for (uint64 row = 0; row < image->rows; row++)
		{
			uint64 offset = (uint64) ((const uint32 *) view.values)[row] * 8;

			if (offset != 0 && !is_sound(&view, offset))
				return corrupt(error, column,
							   "a value points outside its chunk's dictionary");
		}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
validate(const void *bytes, uint64 image_bytes, const GstoreSchema *schema,
		 GstoreCodecError *error)
{
	GstoreImage *image;
	GstoreCodecStatus status = open_image(bytes, image_bytes, schema,
										  &gstore_malloc_allocator, &image,
										  error);

	if (status != GSTORE_CODEC_OK)
		return status;
	for (int i = 0; status == GSTORE_CODEC_OK && i < schema->ncols; i++)
		status = validate_column(image, i, bytes, error);
	close_image(image);
	return status;
}

const GstoreCodec gstore_pgstrom_codec = {
	.name = "pgstrom",
	.format = GSTORE_FORMAT_PGSTROM,
	.builder_create = builder_create,
	.builder_destroy = builder_destroy,
	.builder_reset = builder_reset,
	.append = append,
	.builder_rows = builder_rows,
	.builder_image_bytes = builder_image_bytes,
	.builder_memory = builder_memory,
	.builder_write = builder_write,
	.header_bytes = header_size,
	.open = open_image,
	.close = close_image,
	.rows = image_rows,
	.column_ranges = column_ranges,
	.bind = bind,
	.decode = decode,
	.validate = validate,
};
