/*
 * rows.c
 *	  What the tests of the codecs share; see rows.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/arrow.h"
#include "numeric.h"
#include "rows.h"
#include "varlena.h"

static int tests;
static int failures;

bool
tap_ok(bool good, const char *format, ...)
{
	va_list args;

	printf("%sok %d - ", good ? "" : "not ", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	failures += !good;
	return good;
}

int
tap_done(void)
{
	printf("1..%d\n", tests);
	return failures > 0;
}

uint64
mix(uint64 x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/* ---- schemas ---- */

GstoreSchema *
schema_new(int ncols)
{
	size_t bytes = sizeof(GstoreSchema) + ncols * sizeof(GstoreColumn);
	GstoreSchema *schema = calloc(1, bytes);

	schema->table_oid = 16384;
	schema->row_type = 16386;
	schema->ncols = ncols;
	schema->nfields = ncols;
	return schema;
}

GstoreColumn *
schema_set(GstoreSchema *schema, int column, const char *name, uint32 typid,
		   int attlen, int attalign, bool attbyval)
{
	GstoreColumn *def = &schema->columns[column];

	memset(def, 0, sizeof(*def));
	strncpy(def->name, name, GSTORE_NAME_LENGTH - 1);
	def->typid = typid;
	def->typmod = -1;
	def->attnum = column + 1;
	def->attlen = attlen;
	def->attalign = attalign;
	def->attbyval = attbyval;
	return def;
}

GstoreSchema *
schema_of_everything(void)
{
	GstoreSchema *schema = schema_new(14);

	schema_set(schema, 0, "b", 16, 1, 1, true);
	schema_set(schema, 1, "i2", 21, 2, 2, true);
	schema_set(schema, 2, "i4", 23, 4, 4, true);
	schema_set(schema, 3, "........pg.dropped.4........", 0, 4, 4, true)
		->dropped = true;
	schema_set(schema, 4, "i8", 20, 8, 8, true);
	schema_set(schema, 5, "f8", 701, 8, 8, true);
	schema_set(schema, 6, "interval", 1186, 16, 8, false);
	schema_set(schema, 7, "tid", 27, 6, 2, false);
	schema_set(schema, 8, "three", 90001, 3, 1, false);
	schema_set(schema, 9, "timetz", 1266, 12, 8, false);
	schema_set(schema, 10, "name", 19, 64, 1, false);
	schema_set(schema, 11, "t", 25, -1, 4, false);
	schema_set(schema, 12, "u", 25, -1, 4, false);
	schema_set(schema, 13, "n", 1700, -1, 4, false);
	return schema;
}

GstoreSchema *
schema_of_arrow(bool large_text)
{
	static const struct
	{
		const char *name;
		uint32 typid;
		int attlen;
		int attalign;
		bool attbyval;
		GstoreArrowKind kind;
	} columns[] = {
		{"bool", 16, 1, 1, true, GSTORE_ARROW_BOOL},
		{"bool_byte", 16, 1, 1, true, GSTORE_ARROW_BOOL_BYTE},
		{"i2", 21, 2, 2, true, GSTORE_ARROW_INT2},
		{"dropped", 0, 4, 4, true, GSTORE_ARROW_NONE},
		{"i4", 23, 4, 4, true, GSTORE_ARROW_INT4},
		{"i8", 20, 8, 8, true, GSTORE_ARROW_INT8},
		{"f4", 700, 4, 4, true, GSTORE_ARROW_FLOAT4},
		{"f8", 701, 8, 8, true, GSTORE_ARROW_FLOAT8},
		{"oid", 26, 4, 4, true, GSTORE_ARROW_OID},
		{"date", 1082, 4, 4, true, GSTORE_ARROW_DATE},
		{"time", 1083, 8, 8, true, GSTORE_ARROW_TIME},
		{"ts", 1114, 8, 8, true, GSTORE_ARROW_TIMESTAMP},
		{"tstz", 1184, 8, 8, true, GSTORE_ARROW_TIMESTAMPTZ},
		{"interval", 1186, 16, 8, false, GSTORE_ARROW_INTERVAL},
		{"numeric", 1700, -1, 4, false, GSTORE_ARROW_NUMERIC},
		{"uuid", 2950, 16, 1, false, GSTORE_ARROW_UUID},
		{"text", 25, -1, 4, false, GSTORE_ARROW_TEXT},
		{"bytea", 17, -1, 4, false, GSTORE_ARROW_BYTEA},
		{"name", 19, 64, 1, false, GSTORE_ARROW_NAME},
		{"point", 600, 16, 8, false, GSTORE_ARROW_OUTPUT},
		{"big", 1700, -1, 4, false, GSTORE_ARROW_NUMERIC},
		{"rounded", 1700, -1, 4, false, GSTORE_ARROW_NUMERIC},
	};
	GstoreSchema *schema = schema_new(lengthof(columns));

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		GstoreColumn *def = schema_set(schema, i, columns[i].name,
									   columns[i].typid, columns[i].attlen,
									   columns[i].attalign,
									   columns[i].attbyval);

		def->arrow_kind = columns[i].kind;
		def->dropped = columns[i].kind == GSTORE_ARROW_NONE;
		def->large_text = large_text;
		def->precision = 15;
		def->scale = 3;
	}
	schema->columns[20].precision = 38;
	schema->columns[20].scale = 37;
	schema->columns[21].precision = 9;
	schema->columns[21].scale = -2;
	return schema;
}

/* A field of a schema that has room for it. */
static GstoreColumn *
set_field(GstoreSchema *schema, int parent, int nchildren,
		  GstoreArrowKind kind)
{
	schema->columns[parent].arrow_kind = kind;
	schema->columns[parent].nchildren = nchildren;
	schema->columns[parent].first_child = schema->nfields;
	schema->nfields += nchildren;
	return &schema->columns[schema->nfields - nchildren];
}

static void
set_leaf(GstoreColumn *field, const char *name, GstoreArrowKind kind)
{
	static const int lengths[][3] = {
		/* attlen, attalign, attbyval */
		[GSTORE_ARROW_BOOL] = {1, 1, true},
		[GSTORE_ARROW_INT4] = {4, 4, true},
		[GSTORE_ARROW_DATE] = {4, 4, true},
		[GSTORE_ARROW_NUMERIC] = {-1, 4, false},
		[GSTORE_ARROW_UUID] = {16, 1, false},
		[GSTORE_ARROW_TEXT] = {-1, 4, false},
	};

	strncpy(field->name, name, GSTORE_NAME_LENGTH - 1);
	field->typid = 1;
	field->typmod = -1;
	field->attlen = lengths[kind][0];
	field->attalign = lengths[kind][1];
	field->attbyval = lengths[kind][2];
	field->arrow_kind = kind;
	field->precision = 15;
	field->scale = 3;
}

GstoreSchema *
schema_of_nested(bool large_text)
{
	static const GstoreArrowKind elements[] = {
		GSTORE_ARROW_BOOL, GSTORE_ARROW_INT4, GSTORE_ARROW_DATE,
		GSTORE_ARROW_NUMERIC, GSTORE_ARROW_UUID, GSTORE_ARROW_TEXT};
	enum
	{
		ELEMENTS = lengthof(elements),
		COLUMNS = ELEMENTS + 4,
		FIELDS = 40
	};
	GstoreSchema *schema = schema_new(FIELDS);
	GstoreColumn *field;
	int outer;

	schema->ncols = schema->nfields = COLUMNS;
	for (int i = 0; i < COLUMNS; i++)
		schema_set(schema, i, "nested", 1, -1, 4, false);
	set_leaf(&schema->columns[0], "flat", GSTORE_ARROW_INT4);
	for (int i = 0; i < ELEMENTS; i++)
		set_leaf(set_field(schema, 1 + i, 1, GSTORE_ARROW_LIST), "item",
				 elements[i]);

	/* (bool, text) */
	field = set_field(schema, ELEMENTS + 1, 2, GSTORE_ARROW_STRUCT);
	set_leaf(&field[0], "a", GSTORE_ARROW_BOOL);
	set_leaf(&field[1], "b", GSTORE_ARROW_TEXT);
	/* (int4, text[], (date, numeric)) */
	outer = schema->nfields;
	field = set_field(schema, ELEMENTS + 2, 3, GSTORE_ARROW_STRUCT);
	set_leaf(&field[0], "i", GSTORE_ARROW_INT4);
	set_leaf(&field[1], "l", GSTORE_ARROW_TEXT);
	set_leaf(&field[2], "s", GSTORE_ARROW_TEXT);
	set_leaf(set_field(schema, outer + 1, 1, GSTORE_ARROW_LIST), "item",
			 GSTORE_ARROW_TEXT);
	field = set_field(schema, outer + 2, 2, GSTORE_ARROW_STRUCT);
	set_leaf(&field[0], "d", GSTORE_ARROW_DATE);
	set_leaf(&field[1], "n", GSTORE_ARROW_NUMERIC);
	/* (int4, bool[])[] */
	outer = schema->nfields;
	field = set_field(schema, ELEMENTS + 3, 1, GSTORE_ARROW_LIST);
	set_leaf(&field[0], "item", GSTORE_ARROW_TEXT);
	field = set_field(schema, outer, 2, GSTORE_ARROW_STRUCT);
	set_leaf(&field[0], "i", GSTORE_ARROW_INT4);
	set_leaf(&field[1], "l", GSTORE_ARROW_TEXT);
	set_leaf(set_field(schema, outer + 2, 1, GSTORE_ARROW_LIST), "item",
			 GSTORE_ARROW_BOOL);
	for (int i = 0; i < schema->nfields; i++)
		schema->columns[i].large_text = large_text;
	return schema;
}

/* ---- rows ---- */

bool
row_is_null(const Rows *rows, int column, uint64 row)
{
	if (rows->schema->columns[column].dropped)
		return true;
	switch (rows->nulls)
	{
		case NULLS_NONE:
			return false;
		case NULLS_ALL:
			return true;
		case NULLS_SOME:
			return mix(row * 2000 + column + rows->seed) % 3 == 0;
		case NULLS_FIRST:
			return row == 0;
		case NULLS_LAST:
			return row == rows->count - 1;
		case NULLS_BUT_ONE:
			return row != rows->count - 1;
	}
	return false;
}

static GstoreValue
make_varlena(const Rows *rows, int column, uint64 row, uint8 *buffer)
{
	uint64 which = rows->distinct == 0 ? row : row % rows->distinct;
	uint64 random = mix(which * 77 + column + rows->seed);
	uint32 length = (uint32) (random % 150);
	uint32 header = (length + 4) << 2;
	uint8 *body = buffer + 4;

	if (rows->packed && length + 1 <= 0x7F)
	{
		buffer[0] = (uint8) ((length + 1) << 1 | 1);
		body = buffer + 1;
	}
	else
		memcpy(buffer, &header, sizeof(header));
	for (uint32 i = 0; i < length; i++)
		body[i] = (uint8) ('a' + mix(random + i) % 26);
	return (GstoreValue) (uintptr_t) buffer;
}

/* Values that format arrow holds; false: any will do. */
static bool
make_arrow(const Rows *rows, int column, uint64 row, uint64 random,
		   uint8 *buffer, GstoreValue *value)
{
	const GstoreColumn *def = &rows->schema->columns[column];
	GstoreInterval interval = {(int64) random / 1000, (int32) random,
							   (int32) (random >> 32)};
	GstoreUint128 wide = (GstoreUint128) mix(random) << 64 | mix(random + 1);
	GstoreInt128 decimal;

	*value = (GstoreValue) (uintptr_t) buffer;
	switch (def->arrow_kind)
	{
		case GSTORE_ARROW_BOOL:
		case GSTORE_ARROW_BOOL_BYTE:
			*value = random & 1;
			return true;
		case GSTORE_ARROW_DATE:
			*value = (GstoreValue) (int64) ((int32) random / 2);
			return true;
		case GSTORE_ARROW_TIME:
			*value = random % GSTORE_DAY_MICROSECONDS;
			return true;
		case GSTORE_ARROW_TIMESTAMP:
		case GSTORE_ARROW_TIMESTAMPTZ:
			*value = (GstoreValue) ((int64) random / 2);
			return true;
		case GSTORE_ARROW_INTERVAL:
			memcpy(buffer, &interval, sizeof(interval));
			return true;
		case GSTORE_ARROW_NUMERIC:
			decimal = (GstoreInt128) (wide % gstore_power_of_ten(random % (def->precision + 1)));
			gstore_decimal_to_numeric(row % 2 ? decimal : -decimal,
									  def->scale, buffer);
			return true;
		case GSTORE_ARROW_NAME:
			memset(buffer, 0, GSTORE_NAME_LENGTH);
			memset(buffer, 'n', random % GSTORE_NAME_LENGTH);
			return true;
		case GSTORE_ARROW_OUTPUT:
			*value = make_varlena(rows, column, row, buffer);
			return true;
		default:
			return false;
	}
}

/* Room in a buffer for the values of a list or struct. */
typedef struct Arena
{
	uint8 *at;
	uint8 *end;
} Arena;

static void *
take(Arena *arena, size_t bytes)
{
	void *taken = arena->at;

	arena->at += GSTORE_ALIGN(bytes, 16);
	if (arena->at > arena->end)
		abort();
	return taken;
}

static GstoreValue leaf_value(const Rows *rows, int column, uint64 row,
							  uint8 *buffer);

/* Up to three elements, a third of them NULL; a struct's fields likewise. */
static GstoreValue
nested_value(const Rows *rows, int column, uint64 row, Arena *arena)
{
	const GstoreColumn *def = &rows->schema->columns[column];
	bool is_list = def->arrow_kind == GSTORE_ARROW_LIST;
	uint64 random = mix(row * 7919 + column + rows->seed);
	uint64 count = is_list ? random % 4 : def->nchildren;
	GstoreNested *nested;
	GstoreValue *values;
	bool *nulls;

	if (def->nchildren == 0)
		return leaf_value(rows, column, row, take(arena, 256));
	nested = take(arena, sizeof(GstoreNested));
	values = take(arena, 3 * sizeof(GstoreValue));
	nulls = take(arena, 3 * sizeof(bool));
	for (uint64 i = 0; i < count; i++)
	{
		int field = (int) (def->first_child + (is_list ? 0 : i));

		nulls[i] = mix(random + i) % 3 == 0;
		values[i] = nulls[i] ? 0 : nested_value(rows, field, row * 4 + i, arena);
	}
	nested->count = count;
	nested->values = values;
	nested->nulls = nulls;
	return (GstoreValue) (uintptr_t) nested;
}

GstoreValue
row_value(const Rows *rows, int column, uint64 row, uint8 *buffer)
{
	Arena arena = {(uint8 *) GSTORE_ALIGN((uintptr_t) buffer, 16),
				   buffer + ROW_BUFFER};

	if (rows->schema->columns[column].nchildren == 0)
		return leaf_value(rows, column, row, buffer);
	return nested_value(rows, column, row, &arena);
}

static GstoreValue
leaf_value(const Rows *rows, int column, uint64 row, uint8 *buffer)
{
	const GstoreColumn *def = &rows->schema->columns[column];
	uint64 random = mix(row * 3001 + column + rows->seed);
	GstoreValue value;

	if (make_arrow(rows, column, row, random, buffer, &value))
		return value;
	if (def->attlen < 0)
		return make_varlena(rows, column, row, buffer);
	if (!def->attbyval)
	{
		for (int i = 0; i < def->attlen; i++)
			buffer[i] = (uint8) mix(random + i);
		return (GstoreValue) (uintptr_t) buffer;
	}
	switch (def->attlen)
	{
		case 1:
			return (GstoreValue) (int64) (int8) random;
		case 2:
			return (GstoreValue) (int64) (int16) random;
		case 4:
			return (GstoreValue) (int64) (int32) random;
		default:
			return random;
	}
}

GstoreCodecStatus
rows_append(const GstoreCodec *codec, GstoreBuilder *builder,
			const Rows *rows, uint64 from, uint64 to, GstoreCodecError *error)
{
	int ncols = rows->schema->ncols;
	GstoreValue *values = calloc(ncols + 1, sizeof(GstoreValue));
	bool *nulls = calloc(ncols + 1, sizeof(bool));
	uint8 *buffers = malloc((size_t) (ncols + 1) * ROW_BUFFER);
	GstoreCodecStatus status = GSTORE_CODEC_OK;

	for (uint64 row = from; status == GSTORE_CODEC_OK && row < to; row++)
	{
		for (int i = 0; i < ncols; i++)
		{
			nulls[i] = row_is_null(rows, i, row);
			values[i] = nulls[i] ? 0
								 : row_value(rows, i, row, buffers + i * ROW_BUFFER);
		}
		status = codec->append(builder, values, nulls, error);
	}
	free(values);
	free(nulls);
	free(buffers);
	return status;
}

uint8 *
builder_image(const GstoreCodec *codec, GstoreBuilder *builder, uint64 *bytes)
{
	void *image;

	*bytes = codec->builder_image_bytes(builder);
	/* Exactly as long as it says, so that the sanitizer sees more. */
	if (posix_memalign(&image, 64, *bytes) != 0)
		abort();
	memset(image, 0xA5, *bytes);
	gstore_builder_write(codec, builder, image);
	return image;
}

static void print_value(FILE *file, const GstoreSchema *schema,
						const GstoreColumn *column, GstoreValue value);

/* [=value,=value], N for one that is NULL. */
static void
print_nested(FILE *file, const GstoreSchema *schema,
			 const GstoreColumn *column, const GstoreNested *nested)
{
	fputc('[', file);
	for (uint64 i = 0; i < nested->count; i++)
	{
		uint64 field = column->first_child +
					   (column->arrow_kind == GSTORE_ARROW_LIST ? 0 : i);

		if (i > 0)
			fputc(',', file);
		if (nested->nulls[i])
			fputc('N', file);
		else
		{
			fputc('=', file);
			print_value(file, schema, &schema->columns[field],
						nested->values[i]);
		}
	}
	fputc(']', file);
}

static void
print_value(FILE *file, const GstoreSchema *schema,
			const GstoreColumn *column, GstoreValue value)
{
	const uint8 *bytes = (const uint8 *) (uintptr_t) value;
	uint32 length = column->attlen;

	if (column->nchildren > 0)
	{
		print_nested(file, schema, column,
					 (const GstoreNested *) (uintptr_t) value);
		return;
	}
	if (column->attbyval)
		bytes = (const uint8 *) &value;
	else if (column->attlen < 0 || column->arrow_kind == GSTORE_ARROW_OUTPUT)
	{
		GstoreVarlena varlena = gstore_varlena(bytes);

		bytes = varlena.body;
		length = varlena.body_bytes;
	}
	else if (column->arrow_kind == GSTORE_ARROW_NAME)
		length = strlen((const char *) bytes);
	for (uint32 i = 0; i < length; i++)
		fprintf(file, "%02x", bytes[i]);
}

int
rows_write(const GstoreCodec *codec, const Rows *rows, const char *image_path,
		   const char *rows_path)
{
	GstoreBuilder *builder =
		codec->builder_create(rows->schema, &gstore_malloc_allocator);
	FILE *image_file = fopen(image_path, "wb");
	FILE *rows_file = fopen(rows_path, "w");
	GstoreCodecError error;
	uint64 bytes;
	uint8 *image;

	if (image_file == NULL || rows_file == NULL ||
		rows_append(codec, builder, rows, 0, rows->count, &error) !=
			GSTORE_CODEC_OK)
		return 1;
	image = builder_image(codec, builder, &bytes);
	if (fwrite(image, 1, bytes, image_file) != bytes)
		return 1;
	free(image);
	codec->builder_destroy(builder);
	for (uint64 row = 0; row < rows->count; row++)
	{
		for (int i = 0; i < rows->schema->ncols; i++)
		{
			uint8 buffer[ROW_BUFFER];

			if (row_is_null(rows, i, row))
				fputs("\\N", rows_file);
			else
				print_value(rows_file, rows->schema,
							&rows->schema->columns[i],
							row_value(rows, i, row, buffer));
			fputc('\t', rows_file);
		}
		fputc('\n', rows_file);
	}
	return fclose(image_file) != 0 || fclose(rows_file) != 0;
}

/* ---- reading back ---- */

static bool
nested_equal(const GstoreSchema *schema, const GstoreColumn *column,
			 GstoreValue a, GstoreValue b)
{
	const GstoreNested *an = (const GstoreNested *) (uintptr_t) a;
	const GstoreNested *bn = (const GstoreNested *) (uintptr_t) b;

	if (column->nchildren == 0)
		return values_equal(column, a, b);
	if (an->count != bn->count)
		return false;
	for (uint64 i = 0; i < an->count; i++)
	{
		uint64 field = column->first_child +
					   (column->arrow_kind == GSTORE_ARROW_LIST ? 0 : i);

		if (an->nulls[i] != bn->nulls[i] ||
			(!an->nulls[i] &&
			 !nested_equal(schema, &schema->columns[field], an->values[i],
						   bn->values[i])))
			return false;
	}
	return true;
}

bool
values_equal(const GstoreColumn *column, GstoreValue a, GstoreValue b)
{
	const void *at = (const void *) (uintptr_t) a;
	const void *bt = (const void *) (uintptr_t) b;
	GstoreVarlena av;
	GstoreVarlena bv;

	if (column->attbyval)
		return a == b;
	if (column->attlen >= 0 && column->arrow_kind != GSTORE_ARROW_OUTPUT)
		return memcmp(at, bt, column->attlen) == 0;
	av = gstore_varlena(at);
	bv = gstore_varlena(bt);
	return av.header == bv.header &&
		   memcmp(av.body, bv.body, av.body_bytes) == 0;
}

/* Bind one column's rows to the image. */
static GstoreCodecStatus
bind_column(const GstoreCodec *codec, const GstoreImage *opened,
			const uint8 *image, int column, uint64 first, uint64 count,
			GstoreColumnView *view, GstoreCodecError *error)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	int n = codec->column_ranges(opened, column, first, count, ranges);

	for (int i = 0; i < n; i++)
		pointers[i] = image + ranges[i].offset;
	return codec->bind(opened, column, first, count, pointers, view, error);
}

static bool
column_holds(const GstoreCodec *codec, const GstoreImage *opened,
			 const uint8 *image, int column, const Rows *rows, uint64 first,
			 uint64 count, GstoreScratch *scratch)
{
	GstoreValue values[GSTORE_BATCH_ROWS];
	bool nulls[GSTORE_BATCH_ROWS];
	GstoreColumnView view;
	GstoreCodecError error;
	uint8 buffer[ROW_BUFFER];

	if (bind_column(codec, opened, image, column, first, count, &view,
					&error) != GSTORE_CODEC_OK)
		return false;
	for (uint64 from = 0; from < count; from += GSTORE_BATCH_ROWS)
	{
		uint64 n = Min(GSTORE_BATCH_ROWS, count - from);

		if (codec->decode(&view, from, n, NULL, values, nulls, scratch, &error) !=
			GSTORE_CODEC_OK)
		{
			printf("# column %d: %s\n", column, error.message);
			return false;
		}
		for (uint64 i = 0; i < n; i++)
		{
			uint64 row = first + from + i;
			bool want = row_is_null(rows, column, row);

			if (nulls[i] == want &&
				(want || nested_equal(rows->schema,
									  &rows->schema->columns[column],
									  row_value(rows, column, row, buffer),
									  values[i])))
				continue;
			printf("# column %d row %llu: differs\n", column,
				   (unsigned long long) row);
			return false;
		}
	}
	return true;
}

bool
image_holds(const GstoreCodec *codec, const uint8 *image, uint64 bytes,
			const Rows *rows, uint64 window)
{
	GstoreScratch scratch = {.allocator = &gstore_malloc_allocator};
	GstoreImage *opened;
	GstoreCodecError error;
	bool good;

	if (codec->open(image, bytes, rows->schema, &gstore_malloc_allocator,
					&opened, &error) != GSTORE_CODEC_OK)
	{
		printf("# %s\n", error.message);
		return false;
	}
	good = codec->rows(opened) == rows->count;
	for (uint64 first = 0; good && first < rows->count; first += window)
		for (int i = 0; good && i < rows->schema->ncols; i++)
			good = column_holds(codec, opened, image, i, rows, first,
								Min(window, rows->count - first), &scratch);
	codec->close(opened);
	gstore_scratch_free(&scratch);
	return good;
}

static void touch(const GstoreColumnView *view, GstoreValue value);

/* Likewise of all that is in a list or struct. */
static void
touch_nested(const GstoreSchema *schema, const GstoreColumn *column,
			 GstoreValue value)
{
	const GstoreNested *nested = (const GstoreNested *) (uintptr_t) value;

	if (column->nchildren == 0)
	{
		GstoreColumnView view = {.attbyval = column->attbyval,
								 .attlen = column->attlen};

		touch(&view, value);
		return;
	}
	for (uint64 i = 0; i < nested->count; i++)
	{
		uint64 field = column->first_child +
					   (column->arrow_kind == GSTORE_ARROW_LIST ? 0 : i);

		if (!nested->nulls[i])
			touch_nested(schema, &schema->columns[field], nested->values[i]);
	}
}

/* Read a byte of what a value says it has, first and last. */
static void
touch(const GstoreColumnView *view, GstoreValue value)
{
	const volatile uint8 *bytes = (const volatile uint8 *) (uintptr_t) value;

	if (view->encoding == GSTORE_ENCODING_ARROW_LIST ||
		view->encoding == GSTORE_ENCODING_ARROW_STRUCT)
	{
		touch_nested(view->schema, &view->schema->columns[view->field],
					 value);
		return;
	}
	if (view->attbyval)
		return;
	if (view->attlen >= 0)
		(void) (bytes[0] + bytes[view->attlen - 1]);
	else
	{
		GstoreVarlena varlena = gstore_varlena((const void *) (uintptr_t) value);

		if (varlena.body_bytes > 0)
			(void) (varlena.body[0] + bytes[varlena.body_bytes + 3]);
	}
}

GstoreCodecStatus
image_walk(const GstoreCodec *codec, const uint8 *image, uint64 bytes,
		   const GstoreSchema *schema)
{
	GstoreScratch scratch = {.allocator = &gstore_malloc_allocator};
	GstoreValue values[GSTORE_BATCH_ROWS];
	bool nulls[GSTORE_BATCH_ROWS];
	GstoreImage *opened;
	GstoreCodecError error;
	GstoreCodecStatus status;
	uint64 rows;

	status = codec->open(image, bytes, schema, &gstore_malloc_allocator,
						 &opened, &error);
	if (status != GSTORE_CODEC_OK)
		return status;
	/* An image of absent columns may claim any number of rows. */
	rows = Min(codec->rows(opened), 70000);
	for (int i = 0; status == GSTORE_CODEC_OK && i < schema->ncols; i++)
	{
		GstoreColumnView view;

		status = bind_column(codec, opened, image, i, 0, rows, &view, &error);
		for (uint64 from = 0; status == GSTORE_CODEC_OK && from < rows;
			 from += GSTORE_BATCH_ROWS)
		{
			uint64 n = Min(GSTORE_BATCH_ROWS, rows - from);

			status = codec->decode(&view, from, n, NULL, values, nulls, &scratch,
								   &error);
			for (uint64 j = 0; status == GSTORE_CODEC_OK && j < n; j++)
				if (!nulls[j])
					touch(&view, values[j]);
		}
	}
	codec->close(opened);
	gstore_scratch_free(&scratch);
	return status;
}
