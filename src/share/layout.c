/*
 * layout.c
 *	  The header of an image as jsonb; see layout.h.
 *
 * Who mapped an image may have written over it: nothing in the header is
 * believed that has not been checked against the image's length.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "gstore_format.h"
#include "request/view.h"
#include "share/layout.h"

/* More than any table has: what goes deeper, or on longer, was overwritten. */
#define MAX_DEPTH 100
#define MAX_FIELDS 100000

/* Read at once: most headers with all their columns. */
#define HEAD_BYTES UINT64_C(8192)

/* An image that is being described. */
typedef struct Image
{
	GstoreLocation location;
	dsa_pointer chunk; /* it is of */
	uint64 bytes;
	const char *relname;
	StringInfoData json;
	int nfields; /* described so far */
} Image;

/* ---- reading ---- */

static void
refuse(const Image *image)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the header of an exported image of foreign table \"%s\" contradicts itself",
					image->relname),
			 errhint("A program that mapped the exported memory may have overwritten it.")));
}

/* Some bytes of the image, copied: they may change any time. */
static char *
read_bytes(const Image *image, uint64 offset, uint64 bytes)
{
	GstoreByteRange range = {offset, bytes};
	GstoreView *view;
	char *copy;

	if (offset > image->bytes || bytes > image->bytes - offset)
		refuse(image);
	view = gstore_view_open(image->location, image->chunk, &range, 1,
							image->relname);
	copy = palloc(bytes);
	gstore_view_wait(view);
	memcpy(copy, gstore_view_pointer(view, 0), bytes);
	gstore_view_close(view);
	return copy;
}

/* Header and columns, of which head is the beginning: if it is not all, all is
 * read again.  What it says must then be what it said. */
static const char *
all_columns(const Image *image, const char *head, uint32 ncols, uint64 bytes)
{
	char *all;

	if (ncols > MaxHeapAttributeNumber || bytes > image->bytes)
		refuse(image);
	if (bytes <= HEAD_BYTES)
		return head;
	all = read_bytes(image, 0, bytes);
	memcpy(all, head, HEAD_BYTES);
	return all;
}

/* ---- writing ---- */

/* Text of at most so many bytes, NUL-padded, in quotes. */
static void
add_text(Image *image, const char *text, Size bytes)
{
	char *copy = pnstrdup(text, bytes - 1);

	if (!pg_verifymbstr(copy, (int) strlen(copy), true))
		refuse(image);
	escape_json(&image->json, copy);
	pfree(copy);
}

/* Begin a column's object. */
static void
begin_column(Image *image, const char *name, int attnum, Oid type)
{
	StringInfo json = &image->json;

	if (++image->nfields > MAX_FIELDS)
		refuse(image);
	if (json->data[json->len - 1] == '}')
		appendStringInfoChar(json, ',');
	appendStringInfoString(json, "{\"name\":");
	add_text(image, name, GSTORE_FORMAT_NAME_BYTES);
	appendStringInfo(json, ",\"attnum\":%d,\"type\":", attnum);
	escape_json(json, format_type_extended(type, -1, FORMAT_TYPE_ALLOW_INVALID));
}

static void
add_buffer(Image *image, const char *name, uint64 offset, uint64 length)
{
	if (offset != 0)
		appendStringInfo(&image->json,
						 ",\"%s\":{\"offset\":" UINT64_FORMAT ",\"length\":" UINT64_FORMAT "}",
						 name, offset, length);
}

/* ---- formats ---- */

static void describe_children(Image *image, const GstoreArrowColumn *column,
							  int depth);

static void
describe_arrow_column(Image *image, const GstoreArrowColumn *column, int depth)
{
	StringInfo json = &image->json;

	begin_column(image, column->name, column->attnum, column->atttypid);
	appendStringInfoString(json, ",\"format\":");
	add_text(image, column->format, sizeof(column->format));
	appendStringInfo(json, ",\"null_count\":" UINT64_FORMAT,
					 column->null_count);
	if (depth > 0)
		appendStringInfo(json, ",\"rows\":" UINT64_FORMAT, column->rows);
	add_buffer(image, "validity", column->validity_offset,
			   column->validity_length);
	add_buffer(image, "offsets", column->offsets_offset,
			   column->offsets_length);
	add_buffer(image, "data", column->data_offset, column->data_length);
	if (column->nchildren > 0)
		describe_children(image, column, depth + 1);
	appendStringInfoChar(json, '}');
}

/* What a list or struct column's data begins with. */
static void
describe_children(Image *image, const GstoreArrowColumn *column, int depth)
{
	GstoreArrowColumn *children;

	CHECK_FOR_INTERRUPTS();
	if (depth > MAX_DEPTH || column->nchildren > MaxHeapAttributeNumber)
		refuse(image);
	children = (GstoreArrowColumn *)
		read_bytes(image, column->data_offset,
				   column->nchildren * sizeof(GstoreArrowColumn));
	appendStringInfoString(&image->json, ",\"children\":[");
	for (int i = 0; i < column->nchildren; i++)
		describe_arrow_column(image, &children[i], depth);
	appendStringInfoChar(&image->json, ']');
	pfree(children);
}

static void
describe_arrow(Image *image, const char *head)
{
	uint32 ncols = ((const GstoreArrowHeader *) head)->ncols;

	head = all_columns(image, head, ncols,
					   sizeof(GstoreArrowHeader) +
						   (uint64) ncols * sizeof(GstoreArrowColumn));
	for (uint32 i = 0; i < ncols; i++)
	{
		const GstoreArrowColumn *column = gstore_arrow_column(head, i);

		if (column->atttypid != 0)
			describe_arrow_column(image, column, 0);
	}
}

static void
describe_pgstrom_column(Image *image, const char *head, uint32 number)
{
	const GstorePgstromColumn *column = gstore_pgstrom_column(head, number);
	uint64 offset = (uint64) column->va_offset * 8;
	uint64 length = (uint64) column->va_length * 8;
	uint64 array = Min(gstore_pgstrom_array_bytes(head, column), length);

	begin_column(image, gstore_pgstrom_name(head, number), column->attnum,
				 column->atttypid);
	appendStringInfo(&image->json, ",\"attlen\":%d,\"stride\":%u",
					 column->attlen, gstore_pgstrom_stride(column));
	add_buffer(image, column->attlen < 0 ? "offsets" : "data", offset, array);
	if (length > array)
		add_buffer(image, column->attlen < 0 ? "values" : "validity",
				   offset + array, length - array);
	appendStringInfoChar(&image->json, '}');
}

static void
describe_pgstrom(Image *image, const char *head)
{
	uint32 ncols = ((const GstorePgstromHeader *) head)->ncols;

	head = all_columns(image, head, ncols, GSTORE_PGSTROM_BODY(ncols));
	for (uint32 i = 0; i < ncols; i++)
		if (gstore_pgstrom_column(head, i)->atttypid != 0)
			describe_pgstrom_column(image, head, i);
}

Jsonb *
gstore_layout(GstoreLocation location, dsa_pointer chunk, uint64 image_bytes,
			  const char *relname)
{
	Image image = {.location = location,
				   .chunk = chunk,
				   .bytes = image_bytes,
				   .relname = relname};
	const char *head;

	if (image_bytes < sizeof(GstorePgstromHeader))
		refuse(&image);
	initStringInfo(&image.json);
	appendStringInfoChar(&image.json, '[');
	head = read_bytes(&image, 0, Min(HEAD_BYTES, image_bytes));
	if (image_bytes >= sizeof(GstoreArrowHeader) && GSTORE_IMAGE_IS_ARROW(head))
		describe_arrow(&image, head);
	else
		describe_pgstrom(&image, head);
	appendStringInfoChar(&image.json, ']');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(image.json.data)));
}
