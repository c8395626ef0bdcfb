/*
 * bench.c
 *	  How fast the library's kernels are on the device at hand: beside the rate at
 *	  which it copies its own memory, which is what none can pass.
 *
 * Usage: bench [ROWS [LIBRARY]]	(default: 500,000,000 rows, libcuda.so.1)
 *
 * A table in the shape of TPC-H's lineitem, format arrow: one chunk is encoded
 * here, sent, and copied on the device as often as it takes; a second table has
 * format pgstrom.  What kernels compute is compared with what the CPU engine
 * makes of the one chunk.  Where the device has too little memory there are
 * fewer rows, and the table says how many.  With few rows it runs on the
 * driver's stand-in, whose times mean nothing.
 *
 * Prints tables in Markdown.  A row that could not be measured says why; the exit
 * status is 1 if one gave a wrong result.  Linked with what needs no PostgreSQL
 * of the library, like the unit tests: no database is involved, and so no
 * request, no cancellation, no visibility.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "codec/arrow.h"
#include "codec/merge_kernel.h"
#include "device/device.h"
#include "exec/engine_gather.h"
#include "exec/engine_kernel.h"
#include "exec/engine_program.h"

#define MIB (UINT64_C(1) << 20)

/* Each of two windows, as a narrow one of the staging area (request/staging.c);
 * kernels are told, and tell, in a third one. */
#define WINDOW_BYTES (16 * MIB)
#define TOLD_BYTES (96 * MIB)

/* Measured so often, or until that takes so many seconds. */
#define RUNS 5
#define MOST_SECONDS 5

/* Chunks of one launch, as in request/launch.h. */
#define LAUNCH_CHUNKS 16
/* Rows of a chunk of gstore_fdw.chunk_size. */
#define CHUNK_ROWS 3000000
#define MOST_CHUNKS 4096

static const GstoreDeviceOps *const cuda = &gstore_cuda_device;
static const GstoreAllocator *allocator = &gstore_malloc_allocator;
static GstoreDeviceError error;
static GstoreDeviceInfo info;
static GstoreStream *stream;
static uint8 *window; /* [2][WINDOW_BYTES] */
static uint8 *told;	  /* [TOLD_BYTES] */
static double copy_rate;
static double link_rate;
static int wrong;

static void
die(const char *what)
{
	printf("\nThe bench ends: %s (%s: %s).\n", what, error.what, error.text);
	exit(1);
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* ---- the device ---- */

static void
finish(void)
{
	bool done = false;

	/* a thread that sleeps would wake too late */
	while (!done)
		if (!cuda->stream_query(stream, &done, &error))
			die("what was under way failed");
}

static GstoreDeviceAddress
take(uint64 bytes)
{
	GstoreDeviceAddress address;

	if (!cuda->alloc(0, GSTORE_ALIGN(bytes, GSTORE_DEVICE_GRANULE), &address,
					 &error))
		return 0;
	return address;
}

static void
give(GstoreDeviceAddress address)
{
	if (address != 0 && !cuda->free(0, address, &error))
		die("memory is not freed");
}

static uint64
free_bytes(void)
{
	uint64 bytes;

	if (!cuda->free_bytes(0, &bytes, &error))
		die("the device does not say what is free");
	return bytes;
}

/* Bytes to the device as place_pooled of request/image.c sends them. */
static void
send_pieces(GstoreDeviceAddress to, const uint8 *bytes, uint64 length)
{
	static GstoreStream *streams[2];
	uint64 at = 0;

	for (int i = 0; i < 2; i++)
		if (streams[i] == NULL &&
			!cuda->stream_create(0, &streams[i], &error))
			die("no stream");
	for (int turn = 0; at < length || turn < 2; turn++)
	{
		uint8 *piece = window + turn % 2 * WINDOW_BYTES;
		uint64 n = Min(length - at, WINDOW_BYTES);
		bool done = false;

		while (!done)
			if (!cuda->stream_query(streams[turn % 2], &done, &error))
				die("a copy failed");
		if (n == 0)
			continue;
		memcpy(piece, bytes + at, n);
		if (!cuda->copy_to_device(streams[turn % 2], to + at, piece, n,
								  &error))
			die("no copy");
		at += n;
	}
	for (int i = 0; i < 2; i++)
		for (bool done = false; !done;)
			if (!cuda->stream_query(streams[i], &done, &error))
				die("a copy failed");
}

/* ---- the table that is printed ---- */

static void
header(const char *title)
{
	printf("\n### %s\n\n", title);
	puts("| what | rows | GB | ms | spread | GB/s | of copying |");
	puts("|---|---|---|---|---|---|---|");
}

static void
not_measured(const char *what, const char *why)
{
	printf("| %s | | | | | not measured: %s | |\n", what, why);
	fflush(stdout);
}

static int
compare_times(const void *a, const void *b)
{
	double difference = *(const double *) a - *(const double *) b;

	return difference < 0 ? -1 : difference > 0;
}

/* Bytes that were read and written in so many seconds, against a rate. */
static double
report(const char *what, uint64 rows, uint64 bytes, double *times, int n,
	   double rate)
{
	double median;

	qsort(times, n, sizeof(double), compare_times);
	median = times[n / 2];
	printf("| %s | ", what);
	if (rows > 0)
		printf("%" PRIu64, rows);
	printf(" | %.2f | %.3f | %.0f%% | %.1f | ", bytes / 1e9, median * 1e3,
		   100 * (times[n - 1] - times[0]) / median / 2,
		   bytes / median / 1e9);
	if (rate > 0)
		printf("%.0f%%", 100 * bytes / median / rate);
	puts(" |");
	fflush(stdout);
	return bytes / median;
}

/* Something that takes time; its state. */
typedef void (*Work)(void *state);

static int
measure(Work work, void *state, double *times)
{
	double began = now();
	int n = 0;

	/* once for what is done only once */
	work(state);
	while (n < RUNS && (n == 0 || now() - began < MOST_SECONDS))
	{
		double start = now();

		work(state);
		times[n++] = now() - start;
	}
	return n;
}

/* ---- copying ---- */

typedef struct Copy
{
	GstoreDeviceAddress to;
	GstoreDeviceAddress from;
	uint64 bytes;
	const uint8 *image;
} Copy;

static void
copy_on_device(void *state)
{
	const Copy *copy = state;

	if (!cuda->copy_on_device(stream, copy->to, copy->from, copy->bytes,
							  &error))
		die("no copy");
	finish();
}

static void
copy_to_device(void *state)
{
	const Copy *copy = state;

	for (uint64 at = 0; at < copy->bytes; at += TOLD_BYTES)
		if (!cuda->copy_to_device(stream, copy->to + at, told,
								  Min(TOLD_BYTES, copy->bytes - at), &error))
			die("no copy");
	finish();
}

static void
copy_to_host(void *state)
{
	const Copy *copy = state;

	for (uint64 at = 0; at < copy->bytes; at += TOLD_BYTES)
		if (!cuda->copy_to_host(stream, told, copy->to + at,
								Min(TOLD_BYTES, copy->bytes - at), &error))
			die("no copy");
	finish();
}

static void
measure_copying(uint64 rows)
{
	Copy copy = {.bytes = Min(4096 * MIB, free_bytes() / 4)};
	double times[RUNS];
	int n;

	if (rows < 10000000)
		copy.bytes = Min(copy.bytes, 64 * MIB);
	copy.bytes -= copy.bytes % MIB;
	copy.to = take(copy.bytes);
	copy.from = take(copy.bytes);
	if (copy.to == 0 || copy.from == 0 ||
		!cuda->fill(stream, copy.from, 1, copy.bytes, &error))
		die("no memory to copy");
	finish();
	header("Copying");
	n = measure(copy_on_device, &copy, times);
	copy_rate = report("on the device (read and written)", 0, 2 * copy.bytes,
					   times, n, 0);
	copy.bytes = Min(copy.bytes, 1024 * MIB);
	n = measure(copy_to_device, &copy, times);
	link_rate = report("to the device, from page-locked memory", 0,
					   copy.bytes, times, n, 0);
	n = measure(copy_to_host, &copy, times);
	(void) report("from the device", 0, copy.bytes, times, n, 0);
	give(copy.to);
	give(copy.from);
}

/* ---- the tables ---- */

enum
{
	QUANTITY,
	PRICE,
	DISCOUNT,
	TAX,
	FLAG,
	STATUS,
	SHIPPED,
	ORDER_KEY,
	COMMENT,
	COLUMNS
};

typedef struct Table
{
	const GstoreCodec *codec;
	GstoreSchema *schema;
	uint8 *image; /* of each chunk */
	uint64 image_bytes;
	uint64 chunk_rows;
	GstoreImage *opened;
	uint32 nchunks;
	GstoreDeviceAddress chunks[MOST_CHUNKS];
} Table;

static GstoreSchema *
make_schema(void)
{
	static const struct
	{
		const char *name;
		uint32 typid;
		int attlen;
		GstoreArrowKind kind;
		GstoreOrder order;
	} columns[COLUMNS] = {
		[QUANTITY] = {"l_quantity", 1700, -1, GSTORE_ARROW_NUMERIC, GSTORE_ORDER_NUMERIC},
		[PRICE] = {"l_extendedprice", 1700, -1, GSTORE_ARROW_NUMERIC, GSTORE_ORDER_NUMERIC},
		[DISCOUNT] = {"l_discount", 1700, -1, GSTORE_ARROW_NUMERIC, GSTORE_ORDER_NUMERIC},
		[TAX] = {"l_tax", 1700, -1, GSTORE_ARROW_NUMERIC, GSTORE_ORDER_NUMERIC},
		[FLAG] = {"l_returnflag", 25, -1, GSTORE_ARROW_TEXT, GSTORE_ORDER_TEXT},
		[STATUS] = {"l_linestatus", 25, -1, GSTORE_ARROW_TEXT, GSTORE_ORDER_TEXT},
		[SHIPPED] = {"l_shipdate", 1082, 4, GSTORE_ARROW_DATE, GSTORE_ORDER_DATE},
		[ORDER_KEY] = {"l_orderkey", 20, 8, GSTORE_ARROW_INT8, GSTORE_ORDER_INTEGER},
		[COMMENT] = {"l_comment", 25, -1, GSTORE_ARROW_TEXT, GSTORE_ORDER_TEXT},
	};
	GstoreSchema *schema =
		calloc(1, sizeof(GstoreSchema) + COLUMNS * sizeof(GstoreColumn));

	if (schema == NULL)
		die("no memory");
	schema->table_oid = 16384;
	schema->ncols = schema->nfields = COLUMNS;
	for (int i = 0; i < COLUMNS; i++)
	{
		GstoreColumn *def = &schema->columns[i];

		strcpy(def->name, columns[i].name);
		def->typid = columns[i].typid;
		def->typmod = -1;
		def->attnum = (int16) (i + 1);
		def->attlen = (int16) columns[i].attlen;
		def->attalign = columns[i].attlen == 8 ? 8 : 4;
		def->attbyval = columns[i].attlen > 0;
		def->arrow_kind = columns[i].kind;
		def->precision = 12;
		def->scale = 2;
		def->order = columns[i].order;
	}
	return schema;
}

static uint64
mix(uint64 x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

static GstoreValue
text_of(const char *bytes, uint32 length, uint8 *buffer)
{
	uint32 head = (length + 4) << 2;

	memcpy(buffer, &head, sizeof(head));
	memcpy(buffer + 4, bytes, length);
	return (GstoreValue) (uintptr_t) buffer;
}

/* A numeric of two digits behind the point, in a buffer. */
static GstoreValue
numeric_of(int64 cents, uint8 *buffer)
{
	gstore_decimal_to_numeric(cents, 2, buffer);
	return (GstoreValue) (uintptr_t) buffer;
}

static void
make_row(uint64 row, GstoreValue *values, uint8 buffers[][128])
{
	static const char words[] = "carefully final deposits detect slyly agai furiously even pinto beans";
	static const char flags[] = "ANR";
	char comment[64];
	uint64 random = mix(row);
	uint32 from = (uint32) (random >> 40) % 30;

	values[QUANTITY] = numeric_of(100 * (1 + random % 50), buffers[0]);
	values[PRICE] = numeric_of(90000 + (int64) (mix(row + 1) % 10000000),
							   buffers[1]);
	values[DISCOUNT] = numeric_of(random / 64 % 11, buffers[2]);
	values[TAX] = numeric_of(random / 1024 % 9, buffers[3]);
	values[FLAG] = text_of(flags + random / 16384 % 3, 1, buffers[4]);
	values[STATUS] = text_of(random / 65536 % 2 ? "O" : "F", 1, buffers[5]);
	/* 1992-01-02 and 2,500 days, of PostgreSQL's 2000-01-01 */
	values[SHIPPED] = (GstoreValue) (int64) (random / 131072 % 2526) - 2921;
	values[ORDER_KEY] = row % 1000003;
	snprintf(comment, sizeof(comment), "%07x%.*s", (unsigned int) (random >> 36),
			 10 + (int) (random >> 50) % 30, words + from);
	values[COMMENT] = text_of(comment, (uint32) strlen(comment), buffers[6]);
}

static void
encode(Table *table, const GstoreCodec *codec, uint64 rows)
{
	static uint8 buffers[8][128];
	GstoreBuilder *builder;
	GstoreCodecError codec_error;
	GstoreValue values[COLUMNS];
	bool nulls[COLUMNS] = {false};

	memset(table, 0, sizeof(*table));
	table->codec = codec;
	table->schema = make_schema();
	table->chunk_rows = rows;
	builder = codec->builder_create(table->schema, allocator);
	for (uint64 row = 0; row < rows; row++)
	{
		make_row(row, values, buffers);
		if (codec->append(builder, values, nulls, &codec_error) !=
			GSTORE_CODEC_OK)
			die(codec_error.message);
	}
	table->image_bytes = codec->builder_image_bytes(builder);
	table->image = aligned_alloc(64, GSTORE_ALIGN(table->image_bytes, 64));
	if (table->image == NULL)
		die("no memory");
	gstore_builder_write(codec, builder, table->image);
	codec->builder_destroy(builder);
	if (codec->open(table->image, table->image_bytes, table->schema, allocator,
					&table->opened, &codec_error) != GSTORE_CODEC_OK)
		die(codec_error.message);
}

/* As many chunks as there are wanted, or as leave room for as much again. */
static void
fill(Table *table, uint32 wanted)
{
	uint64 each = GSTORE_ALIGN(table->image_bytes, GSTORE_DEVICE_GRANULE);
	uint64 most = free_bytes() * 45 / 100 / each;

	wanted = (uint32) Min(Min(wanted, most), MOST_CHUNKS);
	for (; table->nchunks < wanted; table->nchunks++)
	{
		GstoreDeviceAddress chunk = take(table->image_bytes);

		if (chunk == 0)
			break;
		table->chunks[table->nchunks] = chunk;
		if (table->nchunks == 0)
			send_pieces(chunk, table->image, table->image_bytes);
		else if (!cuda->copy_on_device(stream, chunk, table->chunks[0],
									   table->image_bytes, &error))
			die("no copy");
	}
	finish();
	if (table->nchunks == 0)
		die("no memory for a chunk");
	printf("\nA table of format %s: %u chunks of %" PRIu64
		   " rows and %" PRIu64 " bytes, %" PRIu64 " rows in all.\n",
		   table->codec->name, table->nchunks, table->chunk_rows,
		   table->image_bytes, table->nchunks * table->chunk_rows);
}

static void
empty(Table *table)
{
	for (uint32 i = 0; i < table->nchunks; i++)
		give(table->chunks[i]);
	table->nchunks = 0;
	table->codec->close(table->opened);
	free(table->image);
	free(table->schema);
}

/* Bind a column where an image lies; the bytes that reading it takes. */
static uint64
bind_at(const Table *table, uint64 address, int column, GstoreColumnView *view)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	GstoreCodecError codec_error;
	uint64 bytes = 0;
	int n = table->codec->column_ranges(table->opened, column, 0,
										table->chunk_rows, ranges);

	for (int i = 0; i < n; i++)
	{
		pointers[i] = (const void *) (uintptr_t) (address + ranges[i].offset);
		bytes += ranges[i].length;
	}
	if (table->codec->bind(table->opened, column, 0, table->chunk_rows,
						   pointers, view, &codec_error) != GSTORE_CODEC_OK)
		die(codec_error.message);
	return bytes;
}

/* ---- queries ---- */

static uint16
load(GstoreProgramBuilder *builder, int column)
{
	static const GstoreType types[COLUMNS] = {
		[QUANTITY] = GSTORE_TYPE_DECIMAL, [PRICE] = GSTORE_TYPE_DECIMAL, [DISCOUNT] = GSTORE_TYPE_DECIMAL, [TAX] = GSTORE_TYPE_DECIMAL, [FLAG] = GSTORE_TYPE_TEXT, [STATUS] = GSTORE_TYPE_TEXT, [SHIPPED] = GSTORE_TYPE_DATE, [ORDER_KEY] = GSTORE_TYPE_INT8, [COMMENT] = GSTORE_TYPE_TEXT};
	uint16 reg = gstore_program_column(builder, (int16) (column + 1),
									   types[column]);

	if (types[column] == GSTORE_TYPE_DECIMAL)
		gstore_program_set_scale(builder, reg, 2);
	return reg;
}

static uint16
cents(GstoreProgramBuilder *builder, int64 value)
{
	_Alignas(16) int64 words[2] = {value, value < 0 ? -1 : 0};
	uint16 reg = gstore_program_constant(builder, GSTORE_TYPE_DECIMAL,
										 GSTORE_STATE_VALUE, words);

	gstore_program_set_scale(builder, reg, 2);
	return reg;
}

static uint16
date(GstoreProgramBuilder *builder, int32 days)
{
	return gstore_program_constant(builder, GSTORE_TYPE_DATE,
								   GSTORE_STATE_VALUE, &days);
}

static uint16
multiply(GstoreProgramBuilder *builder, uint16 a, uint16 b, uint8 scale)
{
	uint16 reg = gstore_program_operator(builder, GSTORE_OP_DECIMAL_MUL, a, b,
										 0);

	gstore_program_set_scale(builder, reg, scale);
	return reg;
}

static uint16
from_one(GstoreProgramBuilder *builder, GstoreOpcode opcode, uint16 a)
{
	uint16 reg = gstore_program_operator(builder, opcode, cents(builder, 100),
										 a, 0);

	gstore_program_set_scale(builder, reg, 2);
	return reg;
}

static void
must(GstoreProgramBuilder *builder, GstoreOpcode opcode, uint16 a, uint16 b)
{
	gstore_program_filter(builder,
						  gstore_program_operator(builder, opcode, a, b, 0));
}

static void
sum(GstoreProgramBuilder *builder, uint16 reg)
{
	(void) gstore_program_aggregate(builder, GSTORE_AGGREGATE_SUM, reg,
									GSTORE_NO_REGISTER, false);
}

/* sum(l_extendedprice * l_discount) of what was shipped in 1994 with a discount
 * of 5 to 7 percent and a quantity below 24 */
static void
filter_of_q6(GstoreProgramBuilder *builder)
{
	must(builder, GSTORE_OP_DATE_GE, load(builder, SHIPPED), date(builder, -2191));
	must(builder, GSTORE_OP_DATE_LT, load(builder, SHIPPED), date(builder, -1826));
	must(builder, GSTORE_OP_DECIMAL_GE, load(builder, DISCOUNT), cents(builder, 5));
	must(builder, GSTORE_OP_DECIMAL_LE, load(builder, DISCOUNT), cents(builder, 7));
	must(builder, GSTORE_OP_DECIMAL_LT, load(builder, QUANTITY), cents(builder, 2400));
}

static void
q6(GstoreProgramBuilder *builder)
{
	filter_of_q6(builder);
	sum(builder, multiply(builder, load(builder, PRICE),
						  load(builder, DISCOUNT), 4));
}

static void
q1(GstoreProgramBuilder *builder)
{
	uint16 net;

	must(builder, GSTORE_OP_DATE_LE, load(builder, SHIPPED), date(builder, -486));
	gstore_program_key(builder, load(builder, FLAG));
	gstore_program_key(builder, load(builder, STATUS));
	net = multiply(builder, load(builder, PRICE),
				   from_one(builder, GSTORE_OP_DECIMAL_SUB, load(builder, DISCOUNT)),
				   4);
	sum(builder, load(builder, QUANTITY));
	sum(builder, load(builder, PRICE));
	sum(builder, net);
	sum(builder, multiply(builder, net,
						  from_one(builder, GSTORE_OP_DECIMAL_ADD, load(builder, TAX)), 6));
	sum(builder, load(builder, DISCOUNT));
	(void) gstore_program_aggregate(builder, GSTORE_AGGREGATE_COUNT,
									GSTORE_NO_REGISTER, GSTORE_NO_REGISTER, false);
}

static void
many_groups(GstoreProgramBuilder *builder)
{
	gstore_program_key(builder, load(builder, ORDER_KEY));
	sum(builder, load(builder, PRICE));
	(void) gstore_program_aggregate(builder, GSTORE_AGGREGATE_COUNT,
									GSTORE_NO_REGISTER, GSTORE_NO_REGISTER, false);
}

typedef struct Query
{
	const Table *table;
	GstoreProgram *program;
	GstoreKernelProgram kernel;
	GstoreEngineInput *inputs; /* a chunk each */
	GstoreColumnView *views;
	uint64 bytes; /* that it reads of a chunk */
	GstoreDeviceAddress memory;
	uint64 memory_bytes;
	uint64 room; /* for groups */
	GstoreEngine *engine;
	GstoreEngineStatus status;
	uint64 selected; /* filters: rows */
	const char *why; /* it cannot be run */
} Query;

static GstoreEngine *
make_engine(const GstoreProgram *program)
{
	GstoreEngineOptions options = {.threads = 1};
	GstoreEngine *engine = gstore_engine_create(program, &options);

	if (engine == NULL)
		die("no engine");
	return engine;
}

static void
prepare(Query *query, const Table *table,
		void (*build)(GstoreProgramBuilder *builder))
{
	GstoreProgramBuilder *builder = gstore_program_begin(allocator);
	const GstoreProgramColumn *columns;
	uint32 ncolumns;

	memset(query, 0, sizeof(*query));
	query->table = table;
	build(builder);
	query->program = gstore_program_finish(builder);
	gstore_program_end(builder);
	if (query->program == NULL)
		die("a program could not be built");
	if (!gstore_kernel_translate(query->program,
								 malloc(gstore_kernel_memory(query->program)),
								 &query->kernel, &query->why))
		return;
	columns = GSTORE_PROGRAM_PART(query->program, GstoreProgramColumn, columns);
	ncolumns = query->program->ncolumns;
	query->inputs = calloc(table->nchunks, sizeof(GstoreEngineInput));
	query->views = calloc((uint64) table->nchunks * ncolumns,
						  sizeof(GstoreColumnView));
	for (uint32 i = 0; i < table->nchunks; i++)
	{
		GstoreColumnView *views = query->views + (uint64) i * ncolumns;

		query->bytes = 0;
		for (uint32 j = 0; j < ncolumns; j++)
			query->bytes += bind_at(table, table->chunks[i],
									columns[j].attnum - 1, &views[j]);
		query->inputs[i].columns = views;
		query->inputs[i].rows = table->chunk_rows;
		if (!gstore_kernel_takes(&query->kernel, &query->inputs[i]))
			query->why = "its columns are not as kernels take them";
	}
}

static void
done_with(Query *query)
{
	give(query->memory);
	free(query->inputs);
	free(query->views);
	free(query->kernel.code);
	free(query->program);
}

/* One launch; what it told lies in told then.  False: it cannot be. */
static bool
launch(Query *query, uint32 first, uint32 n, uint64 room,
	   GstoreLaunchLayout *layout)
{
	if (!gstore_kernel_layout(&query->kernel, query->inputs + first, (int) n,
							  room, layout))
	{
		query->why = "a launch would be too large";
		return false;
	}
	if (layout->launch.bytes > query->memory_bytes)
	{
		give(query->memory);
		query->memory_bytes = layout->launch.bytes;
		query->memory = take(query->memory_bytes);
	}
	if (query->memory == 0 || layout->copied_bytes > TOLD_BYTES)
	{
		query->why = "there is no memory for a launch";
		return false;
	}
	gstore_kernel_write(&query->kernel, query->inputs + first, (int) n, layout,
						told);
	if (!cuda->copy_to_device(stream, query->memory, told,
							  layout->copied_bytes, &error) ||
		(layout->zero_bytes > 0 &&
		 !cuda->fill(stream, query->memory + layout->zero_at, 0,
					 layout->zero_bytes, &error)) ||
		!cuda->launch(stream, gstore_kernel_of(&query->kernel), query->memory,
					  16 * (uint32) info.multiprocessors,
					  gstore_kernel_shared(&query->kernel), &error))
		die("a launch was refused");
	for (uint64 at = 0; at < layout->result_bytes; at += TOLD_BYTES)
		if (!cuda->copy_to_host(stream, told,
								query->memory + layout->launch.result + at,
								Min(TOLD_BYTES, layout->result_bytes - at),
								&error))
			die("no copy");
	finish();
	return true;
}

static void
run_aggregate(void *state)
{
	Query *query = state;

	if (query->engine != NULL)
		gstore_engine_destroy(query->engine);
	query->engine = make_engine(query->program);
	query->status = GSTORE_ENGINE_OK;
	for (uint32 i = 0; i < query->table->nchunks && query->why == NULL;
		 i += LAUNCH_CHUNKS)
	{
		GstoreLaunchLayout layout;

		if (launch(query, i, Min(LAUNCH_CHUNKS, query->table->nchunks - i),
				   16 * (uint64) info.multiprocessors, &layout) &&
			query->status == GSTORE_ENGINE_OK)
			query->status = gstore_kernel_absorb(&query->kernel, &layout, told,
												 query->engine);
	}
}

/* As run_aggregate: groups of each launch go into the engine's. */
static void
run_groups(void *state)
{
	Query *query = state;
	uint64 record = gstore_kernel_record_bytes(&query->kernel);

	if (query->engine != NULL)
		gstore_engine_destroy(query->engine);
	query->engine = make_engine(query->program);
	query->status = GSTORE_ENGINE_OK;
	for (uint32 i = 0; i < query->table->nchunks && query->why == NULL;)
	{
		uint32 n = Min(LAUNCH_CHUNKS, query->table->nchunks - i);
		GstoreLaunchLayout layout;
		uint64 number = 0;

		if (!launch(query, i, n, query->room, &layout))
			return;
		switch (gstore_kernel_groups(&layout, told, &number))
		{
			case GSTORE_GROUPS_MORE:
				query->room *= 4;
				continue;
			case GSTORE_GROUPS_TOLD:
				break;
			default:
				query->why = "it was left to the CPU";
				return;
		}
		for (uint64 at = 0; at < number && query->status == GSTORE_ENGINE_OK;)
		{
			uint64 some = Min(number - at, TOLD_BYTES / record);

			if (!cuda->copy_to_host(stream, told,
									query->memory + layout.launch.records +
										at * record,
									some * record, &error))
				die("no copy");
			finish();
			query->status = gstore_kernel_absorb_groups(&query->kernel, told,
														some, query->engine);
			at += some;
		}
		i += n;
	}
}

static void
run_filter(void *state)
{
	Query *query = state;
	uint64 chunk_bytes = GSTORE_ALIGN(query->table->chunk_rows, 1024) / 8;
	uint8 *bits = calloc(2, chunk_bytes);

	query->selected = 0;
	for (uint32 i = 0; i < query->table->nchunks && query->why == NULL; i++)
	{
		GstoreLaunchLayout layout;

		if (!launch(query, i, 1, 0, &layout))
			break;
		if (i > 0)
			continue;
		gstore_kernel_passes(&layout, told, 0, 0, query->table->chunk_rows,
							 bits, bits + chunk_bytes);
		for (uint64 j = 0; j < chunk_bytes; j++)
			query->selected += (uint64) __builtin_popcount(bits[j]);
	}
	free(bits);
}

/* Sums and counts over all groups: the same for any order of them. */
static bool
totals(GstoreEngine *engine, const GstoreProgram *program, uint64 *groups,
	   GstoreInt128 *total)
{
	const GstoreGroupKey *keys;
	const GstoreAggregateState *states;

	*groups = 0;
	*total = 0;
	if (gstore_engine_finish(engine) != GSTORE_ENGINE_OK)
		return false;
	while (gstore_engine_next_group(engine, &keys, &states))
	{
		(*groups)++;
		for (int i = 0; i < program->naggregates; i++)
			*total += (states[i].value.integer + states[i].count) * (i + 1);
	}
	return true;
}

/* Is what kernels found what the CPU finds in one chunk, as often as there are
 * chunks? */
static bool
is_right(const Query *query)
{
	const GstoreProgramColumn *columns =
		GSTORE_PROGRAM_PART(query->program, GstoreProgramColumn, columns);
	GstoreColumnView *views = calloc(query->program->ncolumns, sizeof(*views));
	GstoreEngineInput input = {.columns = views,
							   .rows = query->table->chunk_rows};
	GstoreEngine *cpu = make_engine(query->program);
	GstoreInt128 expected;
	GstoreInt128 found;
	uint64 expected_groups;
	uint64 groups;
	bool right;

	for (int i = 0; i < query->program->ncolumns; i++)
		(void) bind_at(query->table, (uintptr_t) query->table->image,
					   columns[i].attnum - 1, &views[i]);
	right = gstore_engine_aggregate(cpu, &input) == GSTORE_ENGINE_OK &&
			query->status == GSTORE_ENGINE_OK &&
			totals(cpu, query->program, &expected_groups, &expected) &&
			totals(query->engine, query->program, &groups, &found) &&
			groups == expected_groups &&
			found == expected * query->table->nchunks;
	gstore_engine_destroy(cpu);
	free(views);
	return right;
}

static void
measure_query(const Table *table, const char *name,
			  void (*build)(GstoreProgramBuilder *builder), Work work)
{
	Query query;
	double times[RUNS];
	int n = 0;

	prepare(&query, table, build);
	query.room = 1024;
	if (query.why == NULL)
		n = measure(work, &query, times);
	if (query.why != NULL)
		not_measured(name, query.why);
	else if (work != run_filter && !is_right(&query))
	{
		wrong++;
		not_measured(name, "**the result is wrong**");
	}
	else
		(void) report(name, table->nchunks * table->chunk_rows,
					  table->nchunks * query.bytes, times, n, copy_rate);
	if (query.engine != NULL)
		gstore_engine_destroy(query.engine);
	done_with(&query);
}

/* ---- rows that pass, packed ---- */

/* One row in so many. */
#define GATHERED 100

typedef struct Gathering
{
	const Table *table;
	GstoreColumnView (*columns)[COLUMNS]; /* of each chunk */
	uint32 *rows;
	uint32 nrows;
	uint64 text_bytes;
	GstoreDeviceAddress memory;
	GstoreGatherLayout layout;
	const char *why;
} Gathering;

static void
run_gather(void *state)
{
	Gathering *gathering = state;
	const GstoreGather *gather = &gathering->layout.gather;

	for (uint32 i = 0; i < gathering->table->nchunks; i++)
	{
		gstore_gather_write(gathering->columns[i], COLUMNS, gathering->rows,
							&gathering->layout, told);
		if (!cuda->copy_to_device(stream, gathering->memory, told,
								  gathering->layout.copied_bytes, &error) ||
			!cuda->launch(stream, GSTORE_KERNEL_GATHER, gathering->memory,
						  16 * (uint32) info.multiprocessors, 0, &error) ||
			!cuda->copy_to_host(stream, told, gathering->memory + gather->result,
								gathering->layout.result_bytes, &error))
			die("a launch was refused");
		finish();
	}
}

/* Does the last chunk's result say what is in the image? */
static bool
is_gathered(Gathering *gathering)
{
	const Table *table = gathering->table;
	GstoreColumnView views[COLUMNS];
	GstoreColumnView view;

	if (gstore_gather_read(gathering->columns[0], COLUMNS, &gathering->layout,
						   told, allocator, views, &gathering->text_bytes) !=
		GSTORE_GATHERED)
		return false;
	(void) bind_at(table, (uintptr_t) table->image, ORDER_KEY, &view);
	for (uint32 i = 0; i < gathering->nrows; i++)
		if (((const int64 *) views[ORDER_KEY].values)[i] !=
			((const int64 *) view.values)[gathering->rows[i]])
			return false;
	return true;
}

static void
measure_gather(const Table *table)
{
	static const char name[] = "compaction: all columns of one row in a hundred, to the host";
	Gathering gathering = {.table = table};
	double times[RUNS];
	int n;

	gathering.columns = calloc(table->nchunks, sizeof(*gathering.columns));
	gathering.rows = malloc((table->chunk_rows / GATHERED + 1) *
							sizeof(uint32));
	for (uint32 i = 0; i < table->nchunks; i++)
		for (int j = 0; j < COLUMNS; j++)
			(void) bind_at(table, table->chunks[i], j,
						   &gathering.columns[i][j]);
	for (uint64 row = 0; row + GATHERED <= table->chunk_rows; row += GATHERED)
		gathering.rows[gathering.nrows++] =
			(uint32) (row + mix(row) % GATHERED);
	gathering.text_bytes = 2 * gstore_gather_text_bytes(gathering.columns[0], COLUMNS, gathering.nrows) + 4096;
	if (!gstore_gather_takes(gathering.columns[0], COLUMNS))
		gathering.why = "its columns are not as kernels take them";
	else if (!gstore_gather_layout(gathering.columns[0], COLUMNS,
								   gathering.nrows, gathering.text_bytes,
								   &gathering.layout) ||
			 gathering.layout.gather.bytes > TOLD_BYTES ||
			 (gathering.memory = take(gathering.layout.gather.bytes)) == 0)
		gathering.why = "a launch would be too large";
	if (gathering.why != NULL)
		not_measured(name, gathering.why);
	else
	{
		n = measure(run_gather, &gathering, times);
		if (is_gathered(&gathering))
			(void) report(name, (uint64) table->nchunks * gathering.nrows,
						  2 * table->nchunks * gathering.layout.result_bytes,
						  times, n, copy_rate);
		else
		{
			wrong++;
			not_measured(name, "**the result is wrong**");
		}
	}
	give(gathering.memory);
	free(gathering.columns);
	free(gathering.rows);
}

/* ---- merges ---- */

typedef struct Merging
{
	const Table *table;
	GstoreKernelSource *sources;
	uint32 nsources;
	uint64 kept; /* rows */
	uint64 bytes;
	double kernels; /* of it, seconds from launch to end */
	const char *why;
	GstoreCodecStatus status;
	GstoreCodecError error;
	bool check; /* look at what became of one chunk */
	bool sound;
} Merging;

static bool
run_steps(Merging *merging, GstoreMergePlan *plan, GstoreDeviceAddress workspace)
{
	GstoreKernelStep step;

	while (gstore_merge_plan_next(plan, &step))
	{
		uint8 *result = told + GSTORE_ALIGN(step.told_bytes, 64);
		double start;

		gstore_merge_plan_write(plan, workspace, told);
		start = now();
		if (!cuda->copy_to_device(stream, workspace, told, step.told_bytes,
								  &error) ||
			!cuda->launch(stream, step.kernel, workspace, step.blocks,
						  step.shared_bytes, &error) ||
			!cuda->copy_to_host(stream, result, workspace + step.result_at,
								step.result_bytes, &error))
			die("a launch was refused");
		finish();
		merging->kernels += now() - start;
		merging->status = gstore_merge_plan_take(plan, result, &merging->why,
												 &merging->error);
		if (merging->status != GSTORE_CODEC_OK || merging->why != NULL)
			return false;
	}
	return true;
}

/* Is an image what the codec makes of one chunk?  Of pgstrom values may be in
 * another order: it is sound, and as long. */
static bool
is_same(const Merging *merging, const uint8 *bytes)
{
	const Table *table = merging->table;
	GstoreBuilder *builder = table->codec->builder_create(table->schema,
														  allocator);
	GstoreCodecError codec_error;
	uint8 *expected;
	bool same;

	if (gstore_codec_merge(table->codec, builder, table->schema, table->codec,
						   table->opened, table->schema, table->image,
						   merging->sources[0].keep, allocator,
						   &codec_error) != GSTORE_CODEC_OK)
		die(codec_error.message);
	same = table->codec->builder_image_bytes(builder) == merging->bytes;
	expected = aligned_alloc(64, GSTORE_ALIGN(merging->bytes, 64));
	if (expected == NULL)
		die("no memory");
	if (same)
		gstore_builder_write(table->codec, builder, expected);
	same = same && table->codec->validate(bytes, merging->bytes, table->schema, &codec_error) == GSTORE_CODEC_OK &&
		   (table->codec->format != GSTORE_FORMAT_ARROW ||
			memcmp(bytes, expected, merging->bytes) == 0);
	table->codec->builder_destroy(builder);
	free(expected);
	return same;
}

static void
check_image(Merging *merging, GstoreDeviceAddress image)
{
	uint8 *bytes = aligned_alloc(64, GSTORE_ALIGN(merging->bytes, 64));

	if (bytes == NULL)
		die("no memory");
	for (uint64 at = 0; at < merging->bytes; at += TOLD_BYTES)
	{
		uint64 n = Min(TOLD_BYTES, merging->bytes - at);

		if (!cuda->copy_to_host(stream, told, image + at, n, &error))
			die("no copy");
		finish();
		memcpy(bytes + at, told, n);
	}
	merging->sound = is_same(merging, bytes);
	free(bytes);
}

static void
run_merge(void *state)
{
	Merging *merging = state;
	const Table *table = merging->table;
	GstoreMergePlan *plan =
		gstore_merge_plan_begin(table->codec, table->schema, merging->sources,
								merging->nsources, (uint32) WINDOW_BYTES,
								allocator, &merging->why, &merging->status,
								&merging->error);
	GstoreDeviceAddress workspace;
	GstoreDeviceAddress image = 0;
	GstoreBounds *bounds;
	uint64 zeros_from;
	uint64 bytes;

	merging->kernels = 0;
	if (plan == NULL)
		return;
	merging->kept = gstore_merge_plan_rows(plan);
	if (merging->kept == 0)
		die("no row is kept");
	bytes = gstore_merge_plan_workspace(plan, &zeros_from);
	workspace = take(bytes);
	bounds = malloc(gstore_block_count(merging->kept) * (uint64) COLUMNS *
					sizeof(GstoreBounds));
	if (workspace == 0 || bounds == NULL)
		merging->why = "there is no memory for the workspace";
	else if (bytes > zeros_from &&
			 !cuda->fill(stream, workspace + zeros_from, 0,
						 bytes - zeros_from, &error))
		die("no fill");
	else if (run_steps(merging, plan, workspace) &&
			 (merging->bytes = gstore_merge_plan_size(plan, &merging->why)) > 0)
	{
		image = take(merging->bytes);
		if (image == 0)
			merging->why = "there is no memory for the new image";
		else
		{
			gstore_merge_plan_place(plan, image, bounds);
			(void) run_steps(merging, plan, workspace);
		}
	}
	if (merging->check && image != 0 && merging->why == NULL &&
		merging->status == GSTORE_CODEC_OK)
		check_image(merging, image);
	free(bounds);
	give(image);
	give(workspace);
	gstore_merge_plan_end(plan);
}

/* Which rows of a chunk are kept; NULL: all. */
static uint8 *
random_half(uint64 rows)
{
	uint8 *keep = malloc(rows / 8 + 16);

	for (uint64 i = 0; keep != NULL && i < rows / 8 + 16; i++)
		keep[i] = (uint8) mix(i);
	return keep;
}

static uint8 *
ranges_of_tenth(uint64 rows)
{
	uint8 *keep = calloc(1, rows / 8 + 16);

	for (uint64 row = 0; keep != NULL && row < rows; row++)
		if (row / 100 % 10 == 3)
			keep[row / 8] |= (uint8) (1 << (row % 8));
	return keep;
}

/* Merge the chunks of a table whose image has the room. */
static void
measure_merge(const Table *table, const char *name,
			  uint8 *(*make_keep)(uint64 rows))
{
	uint64 each = GSTORE_ALIGN(table->image_bytes, GSTORE_DEVICE_GRANULE);
	uint64 room = (free_bytes() - Min(free_bytes() / 8, 1024 * MIB)) / each;
	Merging merging = {.table = table, .check = true, .sound = true};
	uint8 *keep = make_keep == NULL ? NULL : make_keep(table->chunk_rows);
	double times[RUNS];
	char label[160];
	int n;

	/* the new image, and half as much for maps of dictionaries */
	merging.nsources = (uint32) Min(table->nchunks, Max(room * 2 / 3, 1));
	/* int32 offsets reach 2 GB: which is the text of so many rows */
	if (table->codec->format == GSTORE_FORMAT_ARROW)
		merging.nsources = (uint32) Min(merging.nsources,
										Max(UINT64_C(70000000) / table->chunk_rows *
												(make_keep == NULL			? 1
												 : make_keep == random_half ? 2
																			: 10),
											1));
	merging.sources = calloc(merging.nsources, sizeof(GstoreKernelSource));
	for (uint32 i = 0; i < merging.nsources; i++)
		merging.sources[i] =
			(GstoreKernelSource){table->image, table->image_bytes,
								 table->chunks[i], table->chunk_rows, keep};
	n = (int) merging.nsources;
	merging.nsources = 1;
	run_merge(&merging);
	merging.check = false;
	merging.nsources = (uint32) n;
	n = measure(run_merge, &merging, times);
	snprintf(label, sizeof(label), "%s, %u chunks; in kernels %.1f ms", name,
			 merging.nsources, merging.kernels * 1e3);
	if (merging.status != GSTORE_CODEC_OK)
		merging.why = merging.error.message;
	if (merging.why != NULL)
		not_measured(name, merging.why);
	else if (!merging.sound)
	{
		wrong++;
		not_measured(name, "**the image is not sound**");
	}
	else
		(void) report(label, merging.nsources * table->chunk_rows,
					  merging.nsources * table->image_bytes + merging.bytes,
					  times, n, copy_rate);
	free(merging.sources);
	free(keep);
}

/* ---- loads and exports ---- */

static void
load_pieces(void *state)
{
	const Copy *copy = state;

	send_pieces(copy->to, copy->image, copy->bytes);
}

static void
export_chunk(void *state)
{
	const Copy *copy = state;
	GstoreIpcHandle handle;

	if (!cuda->export_handle(0, copy->to, &handle, &error))
		die("no handle");
}

static void
measure_load(const Table *table)
{
	Copy copy = {.to = table->chunks[0],
				 .bytes = table->image_bytes,
				 .image = table->image};
	double times[RUNS];
	int n;

	header("Loading and exporting (share of copying to the device)");
	n = measure(load_pieces, &copy, times);
	(void) report("an encoded chunk, by pieces through two windows",
				  table->chunk_rows, copy.bytes, times, n, link_rate);
	n = measure(copy_to_device, &copy, times);
	(void) report("an encoded chunk, encoded where it is sent from",
				  table->chunk_rows, copy.bytes, times, n, link_rate);
	n = measure(export_chunk, &copy, times);
	(void) report("a handle of a chunk", table->chunk_rows, copy.bytes, times,
				  n, 0);
}

/* ---- all of it ---- */

static void
open_device(const char *library)
{
	GstoreDeviceConfig config = {.cuda_library = library,
								 .completion_fd = -1};
	uint64 bytes = 2 * WINDOW_BYTES + TOLD_BYTES;

	window = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (window == MAP_FAILED)
		die("no memory");
	told = window + 2 * WINDOW_BYTES;
	if (!cuda->open(&config, &error) ||
		!cuda->register_staging(window, bytes, &error) ||
		!cuda->stream_create(0, &stream, &error) ||
		!cuda->describe(0, &info, &error))
		die("no device");
	printf("%s, compute capability %d.%d, %d multiprocessors, %.1f GB; CUDA %d.%d\n",
		   info.name, info.compute_major, info.compute_minor,
		   info.multiprocessors, info.total_bytes / 1e9,
		   info.driver_version / 1000, info.driver_version % 1000 / 10);
	if (!info.has_kernels)
		printf("\nThere are no kernels: %s.\n", info.without_kernels);
}

int
main(int argc, char **argv)
{
	uint64 rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 500000000;
	uint64 chunk_rows = Max(Min(rows / LAUNCH_CHUNKS, CHUNK_ROWS), 1000);
	uint32 nchunks = (uint32) ((rows + chunk_rows - 1) / chunk_rows);
	static Table arrow;
	static Table strom;

	open_device(argc > 2 ? argv[2] : NULL);
	measure_copying(rows);
	if (!info.has_kernels)
		return 1;

	encode(&arrow, &gstore_arrow_codec, chunk_rows);
	fill(&arrow, nchunks);
	header("Computing (bytes of the columns that are read)");
	measure_query(&arrow, "filter and sum: TPC-H Q6", q6, run_aggregate);
	measure_query(&arrow, "which rows pass: the conditions of Q6", filter_of_q6,
				  run_filter);
	measure_query(&arrow, "few groups: TPC-H Q1", q1, run_groups);
	measure_query(&arrow, "many groups: up to 1,000,003 keys", many_groups,
				  run_groups);
	measure_gather(&arrow);
	header("Merging (bytes of the chunks, and of what becomes of them)");
	measure_merge(&arrow, "arrow, all rows", NULL);
	measure_merge(&arrow, "arrow, a random half", random_half);
	measure_merge(&arrow, "arrow, every tenth hundred of rows", ranges_of_tenth);
	measure_load(&arrow);
	empty(&arrow);

	/* numerics of pgstrom are varlena: it is large */
	encode(&strom, &gstore_pgstrom_codec, chunk_rows);
	fill(&strom, nchunks);
	header("Merging");
	measure_merge(&strom, "pgstrom, all rows", NULL);
	measure_merge(&strom, "pgstrom, a random half", random_half);
	empty(&strom);
	cuda->close();
	return wrong > 0;
}
