/*
 * form.c
 *	  Arrays and composites as lists and structs, and back; see form.h.
 *
 * A composite's dropped attributes have no field.  Must never change what a
 * value is: what a list cannot hold is refused.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "codec/arrow.h"
#include "fdw/columns.h"
#include "fdw/form.h"
#include "fdw/sound.h"
#include "fdw/textform.h"

struct GstoreForm
{
	Oid type; /* as declared; base is below its domains */
	Oid base;
	int32 typmod;
	MemoryContext context; /* of what follows, made when first needed */
	int16 length;		   /* pg_type.typlen, .typbyval and .typalign of type */
	bool by_value;
	char align;
	GstoreTextForm *text;
	TupleDesc desc;		 /* of a composite */
	GstoreForm **fields; /* its attributes, NULL: dropped; or the elements */
};

bool
gstore_form_is_needed(uint8 arrow_kind)
{
	return arrow_kind == GSTORE_ARROW_OUTPUT ||
		   arrow_kind == GSTORE_ARROW_LIST ||
		   arrow_kind == GSTORE_ARROW_STRUCT;
}

GstoreForm *
gstore_form(Oid type, int32 typmod)
{
	GstoreForm *form = palloc0(sizeof(GstoreForm));

	form->type = type;
	form->typmod = typmod;
	form->base = getBaseTypeAndTypmod(type, &form->typmod);
	form->context = CurrentMemoryContext;
	get_typlenbyvalalign(type, &form->length, &form->by_value, &form->align);
	return form;
}

/* ---- what is made when first needed ---- */

static GstoreTextForm *
text_form(GstoreForm *form)
{
	if (form->text == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(form->context);

		/* a domain's constraints were checked when the value came */
		form->text = gstore_text_form(form->base, form->typmod);
		MemoryContextSwitchTo(old);
	}
	return form->text;
}

static GstoreForm *
element_form(GstoreForm *form)
{
	if (form->fields == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(form->context);
		GstoreForm **fields = palloc(sizeof(GstoreForm *));

		fields[0] = gstore_form(get_element_type(form->base), form->typmod);
		form->fields = fields;
		MemoryContextSwitchTo(old);
	}
	return form->fields[0];
}

static GstoreForm **
attribute_forms(GstoreForm *form)
{
	if (form->fields == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(form->context);
		TupleDesc desc = lookup_rowtype_tupdesc_copy(form->base, form->typmod);
		GstoreForm **fields = palloc0(desc->natts * sizeof(GstoreForm *));

		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute attribute = TupleDescAttr(desc, i);

			if (!attribute->attisdropped)
				fields[i] = gstore_form(attribute->atttypid,
										attribute->atttypmod);
		}
		form->desc = desc;
		form->fields = fields;
		MemoryContextSwitchTo(old);
	}
	return form->fields;
}

/* ---- to be stored ---- */

static Datum store(GstoreForm *form, const GstoreTarget *target, int column,
				   int field, Datum value);

static void
refuse(const GstoreForm *form, const GstoreTarget *target, int column,
	   Datum value, const char *what, const char *instead)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" of foreign table \"%s\": format \"arrow\" cannot hold %s",
					target->schema->columns[column].name, target->relname,
					what),
			 errdetail("The value is %s.",
					   gstore_value_text(form->type, value)),
			 errhint("Format \"pgstrom\" can hold it; or store %s.", instead)));
}

static GstoreNested *
make_nested(uint64 count, Datum *values, bool *nulls)
{
	GstoreNested *nested = palloc(sizeof(GstoreNested));

	StaticAssertStmt(sizeof(Datum) == sizeof(GstoreValue),
					 "a Datum is a codec's value");
	nested->count = count;
	nested->values = (const GstoreValue *) values;
	nested->nulls = nulls;
	return nested;
}

/* In a database of encoding SQL_ASCII a text may be anything. */
static Datum
store_text(GstoreForm *form, const GstoreTarget *target, int column,
		   Datum value)
{
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		Oid function;
		bool is_varlena;
		char *text;
		int length;

		getTypeOutputInfo(form->type, &function, &is_varlena);
		text = OidOutputFunctionCall(function, value);
		length = (int) strlen(text);
		if (pg_encoding_verifymbstr(PG_UTF8, text, length) < length)
			refuse(form, target, column, value, "a text that is not UTF-8",
				   "the text in UTF-8");
		pfree(text);
	}
	return gstore_text_form_output(text_form(form), value);
}

static Datum
store_array(GstoreForm *form, const GstoreTarget *target, int column,
			int field, Datum value)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	GstoreForm *element = element_form(form);
	int child = (int) target->schema->columns[field].first_child;
	static const char *plain_array =
		"an array of one dimension whose subscripts begin at 1";
	Datum *values = NULL;
	bool *nulls = NULL;
	int count = 0;

	if (ARR_NDIM(array) > 1)
		refuse(form, target, column, value,
			   "an array of several dimensions", plain_array);
	if (ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] != 1)
		refuse(form, target, column, value,
			   "an array whose subscripts do not begin at 1", plain_array);
	if (ARR_NDIM(array) == 1)
		deconstruct_array(array, element->type, element->length,
						  element->by_value, element->align, &values, &nulls,
						  &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			values[i] = store(element, target, column, child, values[i]);
	return PointerGetDatum(make_nested(count, values, nulls));
}

static Datum
store_composite(GstoreForm *form, const GstoreTarget *target, int column,
				int field, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	GstoreForm **fields = attribute_forms(form);
	TupleDesc desc = form->desc;
	int child = (int) target->schema->columns[field].first_child;
	Datum *values = palloc(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));
	HeapTupleData tuple;
	int count = 0;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		if (fields[i] == NULL)
			continue;
		if (!nulls[i])
			values[count] = store(fields[i], target, column, child + count,
								  values[i]);
		nulls[count] = nulls[i];
		count++;
	}
	return PointerGetDatum(make_nested(count, values, nulls));
}

static Datum
store(GstoreForm *form, const GstoreTarget *target, int column, int field,
	  Datum value)
{
	switch ((GstoreArrowKind) target->schema->columns[field].arrow_kind)
	{
		case GSTORE_ARROW_OUTPUT:
			return store_text(form, target, column, value);
		case GSTORE_ARROW_LIST:
			return store_array(form, target, column, field, value);
		case GSTORE_ARROW_STRUCT:
			return store_composite(form, target, column, field, value);
		default:
			return form->length == -1 ? gstore_flatten(value) : value;
	}
}

Datum
gstore_form_store(GstoreForm *form, const GstoreTarget *target, int column,
				  Datum value)
{
	return store(form, target, column, column, value);
}

/* ---- to be read ---- */

/* Where values come from. */
typedef struct Loading
{
	const GstoreSchema *schema;
	bool exposed; /* texts may be anything */
} Loading;

static bool load(GstoreForm *form, const Loading *from, uint32 field,
				 Datum *value);

static bool
load_array(GstoreForm *form, const Loading *from, uint32 field, Datum *value)
{
	const GstoreNested *nested = (const GstoreNested *) DatumGetPointer(*value);
	GstoreForm *element = element_form(form);
	uint32 child = from->schema->columns[field].first_child;
	Datum *values;
	bool *nulls;
	int lower_bound = 1;
	int count;

	if (nested->count == 0)
	{
		*value = PointerGetDatum(construct_empty_array(element->type));
		return true;
	}
	if (nested->count > MaxAllocSize / sizeof(Datum))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("array size exceeds the maximum allowed (%d)",
						(int) (MaxAllocSize / sizeof(Datum)))));
	count = (int) nested->count;
	values = palloc(count * sizeof(Datum));
	nulls = palloc(count * sizeof(bool));
	for (int i = 0; i < count; i++)
	{
		nulls[i] = nested->nulls[i];
		values[i] = nulls[i] ? (Datum) 0 : (Datum) nested->values[i];
		if (!nulls[i] && !load(element, from, child, &values[i]))
			return false;
	}
	*value = PointerGetDatum(construct_md_array(values, nulls, 1, &count,
												&lower_bound, element->type,
												element->length,
												element->by_value,
												element->align));
	pfree(values);
	pfree(nulls);
	return true;
}

static bool
load_composite(GstoreForm *form, const Loading *from, uint32 field,
			   Datum *value)
{
	const GstoreNested *nested = (const GstoreNested *) DatumGetPointer(*value);
	GstoreForm **fields = attribute_forms(form);
	TupleDesc desc = form->desc;
	uint32 child = from->schema->columns[field].first_child;
	Datum *values = palloc0(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));
	uint64 next = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		nulls[i] = fields[i] == NULL || next >= nested->count ||
				   nested->nulls[next];
		if (!nulls[i])
		{
			values[i] = (Datum) nested->values[next];
			if (!load(fields[i], from, child + (uint32) next, &values[i]))
				return false;
		}
		if (fields[i] != NULL)
			next++;
	}
	*value = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	return true;
}

static bool
load(GstoreForm *form, const Loading *from, uint32 field, Datum *value)
{
	switch ((GstoreArrowKind) from->schema->columns[field].arrow_kind)
	{
		case GSTORE_ARROW_OUTPUT:
			if (from->exposed &&
				!pg_verify_mbstr(PG_UTF8, VARDATA_ANY(*value),
								 VARSIZE_ANY_EXHDR(*value), true))
				return false;
			*value = gstore_text_form_input(text_form(form), *value);
			return true;
		case GSTORE_ARROW_LIST:
			return load_array(form, from, field, value);
		case GSTORE_ARROW_STRUCT:
			return load_composite(form, from, field, value);
		case GSTORE_ARROW_TEXT:
			return !from->exposed || gstore_sound_text(*value);
		case GSTORE_ARROW_NAME:
			return !from->exposed || gstore_sound_name(*value);
		default:
			return true;
	}
}

bool
gstore_form_load(GstoreForm *form, const GstoreColumnView *view, bool exposed,
				 Datum *value)
{
	Loading from = {view->schema, exposed};

	return load(form, &from, view->field, value);
}
