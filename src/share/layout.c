/*
 * layout.c
 *	  The header of an image as jsonb; see layout.h.
 *
 * Who mapped an image may have written over it: nothing in the header is
 * believed that has not been checked against the image's length.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "gstore_format.h"
#include "request/view.h"
#include "share/layout.h"

static void
refuse(const char *relname)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the header of an exported image of foreign table \"%s\" contradicts itself",
					relname),
			 errhint("A program that mapped the exported memory may have overwritten it.")));
}

/* The first bytes of the image, copied. */
static char *
read_head(GstoreLocation location, uint64 bytes, const char *relname)
{
	GstoreByteRange range = {0, bytes};
	GstoreView *view = gstore_view_open(location, InvalidDsaPointer, &range, 1,
										relname);
	char *head = palloc(bytes);

	gstore_view_wait(view);
	memcpy(head, gstore_view_pointer(view, 0), bytes);
	gstore_view_close(view);
	return head;
}

static void
add_name(StringInfo json, const char *name)
{
	char copy[GSTORE_FORMAT_NAME_BYTES];

	strlcpy(copy, name, sizeof(copy));
	appendStringInfoString(json, json->len > 1 ? ",{\"name\":" : "{\"name\":");
	escape_json(json, copy);
}

static void
add_buffer(StringInfo json, const char *name, uint64 offset, uint64 length)
{
	if (offset != 0)
		appendStringInfo(json, ",\"%s\":{\"offset\":" UINT64_FORMAT ",\"length\":" UINT64_FORMAT "}",
						 name, offset, length);
}

static void
describe_arrow(StringInfo json, const char *head)
{
	const GstoreArrowHeader *header = (const GstoreArrowHeader *) head;

	for (uint32 i = 0; i < header->ncols; i++)
	{
		const GstoreArrowColumn *column = gstore_arrow_column(head, i);
		char format[sizeof(column->format)];

		if (column->atttypid == 0)
			continue;
		strlcpy(format, column->format, sizeof(format));
		add_name(json, column->name);
		appendStringInfo(json, ",\"attnum\":%d,\"type\":", column->attnum);
		escape_json(json, format_type_be(column->atttypid));
		appendStringInfoString(json, ",\"format\":");
		escape_json(json, format);
		appendStringInfo(json, ",\"null_count\":" UINT64_FORMAT,
						 column->null_count);
		/* Which the data begins with: they are not read here. */
		if (column->nchildren > 0)
			appendStringInfo(json, ",\"nchildren\":%u", column->nchildren);
		add_buffer(json, "validity", column->validity_offset,
				   column->validity_length);
		add_buffer(json, "offsets", column->offsets_offset,
				   column->offsets_length);
		add_buffer(json, "data", column->data_offset, column->data_length);
		appendStringInfoChar(json, '}');
	}
}

static void
describe_pgstrom(StringInfo json, const char *head)
{
	const GstorePgstromHeader *header = (const GstorePgstromHeader *) head;

	for (uint32 i = 0; i < header->ncols; i++)
	{
		const GstorePgstromColumn *column = gstore_pgstrom_column(head, i);
		uint64 offset = (uint64) column->va_offset * 8;
		uint64 length = (uint64) column->va_length * 8;
		uint64 array = gstore_pgstrom_array_bytes(head, column);

		if (column->atttypid == 0)
			continue;
		array = Min(array, length);
		add_name(json, gstore_pgstrom_name(head, i));
		appendStringInfo(json, ",\"attnum\":%d,\"type\":", column->attnum);
		escape_json(json, format_type_be(column->atttypid));
		appendStringInfo(json, ",\"attlen\":%d,\"stride\":%u", column->attlen,
						 gstore_pgstrom_stride(column));
		add_buffer(json, column->attlen < 0 ? "offsets" : "data", offset,
				   array);
		if (length > array)
			add_buffer(json, column->attlen < 0 ? "values" : "validity",
					   offset + array, length - array);
		appendStringInfoChar(json, '}');
	}
}

Jsonb *
gstore_layout(GstoreLocation location, uint64 image_bytes, const char *relname)
{
	StringInfoData json;
	uint64 first = sizeof(GstoreArrowHeader);
	uint64 bytes;
	const char *head;
	bool is_arrow;

	if (image_bytes < sizeof(GstorePgstromHeader))
		refuse(relname);
	head = read_head(location, Min(first, image_bytes), relname);
	is_arrow = image_bytes >= first && GSTORE_IMAGE_IS_ARROW(head);
	if (is_arrow)
	{
		const GstoreArrowHeader *header = (const GstoreArrowHeader *) head;

		bytes = first + (uint64) header->ncols * sizeof(GstoreArrowColumn);
	}
	else
	{
		const GstorePgstromHeader *header = (const GstorePgstromHeader *) head;

		bytes = GSTORE_PGSTROM_BODY(header->ncols);
	}
	if (bytes > image_bytes)
		refuse(relname);
	head = read_head(location, bytes, relname);

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	if (is_arrow)
		describe_arrow(&json, head);
	else
		describe_pgstrom(&json, head);
	appendStringInfoChar(&json, ']');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(json.data)));
}
