/*
 * sound.c
 *	  Values checked before PostgreSQL's functions see them; see sound.h.
 *
 * Checks work on private copies, whose headers were read once.  A type is
 * checked by what its output function is, so that types made in SQL on top of
 * PostgreSQL's own are none of those.  Must never read behind a value, and never
 * raise for what a value is, but for want of memory.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/geo_decls.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rangetypes.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/varbit.h"

#include "fdw/sound.h"
#include "numeric.h"
#include "pglz.h"

/* No stream of n bytes yields more; see codec/normalize.c. */
#define MAX_RATIO 91

typedef enum Kind
{
	KIND_UNKNOWN, /* not checked */
	KIND_ANYTHING,
	KIND_NAME,
	KIND_TEXT,
	KIND_NUMERIC,
	KIND_BITS,
	KIND_INET,
	KIND_PATH,
	KIND_POLYGON,
	KIND_VECTOR, /* int2vector, oidvector */
	KIND_ARRAY,
	KIND_COMPOSITE,
	KIND_RANGE
} Kind;

struct GstoreSound
{
	Oid type; /* below domains */
	Kind kind;
	int16 length;
	bool by_value;
	char align;
	MemoryContext context; /* of what follows, made when first needed */
	Oid element;		   /* of an array or range, domains and all */
	TupleDesc desc;		   /* of a composite */
	GstoreSound **parts;   /* its attributes, NULL: dropped; or what elements
						   * or bounds are */
};

/* ---- types ---- */

static Kind
varlena_kind(Oid output)
{
	switch (output)
	{
		case F_BYTEAOUT:
			return KIND_ANYTHING;
		case F_TEXTOUT:
		case F_VARCHAROUT:
		case F_BPCHAROUT:
		case F_JSON_OUT:
		case F_XML_OUT:
			return KIND_TEXT;
		case F_NUMERIC_OUT:
			return KIND_NUMERIC;
		case F_BIT_OUT:
		case F_VARBIT_OUT:
			return KIND_BITS;
		case F_INET_OUT:
		case F_CIDR_OUT:
			return KIND_INET;
		case F_PATH_OUT:
			return KIND_PATH;
		case F_POLY_OUT:
			return KIND_POLYGON;
		case F_INT2VECTOROUT:
		case F_OIDVECTOROUT:
			return KIND_VECTOR;
		case F_ARRAY_OUT:
			return KIND_ARRAY;
		case F_RECORD_OUT:
			return KIND_COMPOSITE;
		case F_RANGE_OUT:
			return KIND_RANGE;
		default:
			return KIND_UNKNOWN;
	}
}

static Kind
kind_of(Oid type)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	Kind kind;

	if (!HeapTupleIsValid(tuple))
		return KIND_UNKNOWN;
	form = (Form_pg_type) GETSTRUCT(tuple);
	if (form->typlen == -1)
		kind = varlena_kind(form->typoutput);
	else if (form->typoutput == F_NAMEOUT)
		kind = KIND_NAME;
	else
		kind = form->typbyval || type < FirstNormalObjectId ? KIND_ANYTHING
															: KIND_UNKNOWN;
	ReleaseSysCache(tuple);
	return kind;
}

static GstoreSound *
make_part(GstoreSound *whole, Oid type)
{
	MemoryContext old = MemoryContextSwitchTo(whole->context);
	GstoreSound *part = gstore_sound(type);

	MemoryContextSwitchTo(old);
	return part;
}

/* What the value is made of, looked up once. */
static void
find_parts(GstoreSound *sound)
{
	GstoreSound **parts;
	TupleDesc desc = NULL;

	if (sound->parts != NULL)
		return;
	if (sound->kind == KIND_COMPOSITE)
	{
		MemoryContext old = MemoryContextSwitchTo(sound->context);

		desc = lookup_rowtype_tupdesc_copy(sound->type, -1);
		MemoryContextSwitchTo(old);
		parts = MemoryContextAllocZero(sound->context,
									   Max(1, desc->natts) * sizeof(*parts));
		for (int i = 0; i < desc->natts; i++)
			if (!TupleDescAttr(desc, i)->attisdropped)
				parts[i] = make_part(sound, TupleDescAttr(desc, i)->atttypid);
	}
	else
	{
		parts = MemoryContextAllocZero(sound->context, sizeof(*parts));
		sound->element = sound->kind == KIND_RANGE ? get_range_subtype(sound->type)
												   : get_element_type(sound->type);
		parts[0] = make_part(sound, sound->element);
	}
	sound->desc = desc;
	sound->parts = parts;
}

GstoreSound *
gstore_sound(Oid type)
{
	GstoreSound *sound = palloc0(sizeof(GstoreSound));

	sound->type = getBaseType(type);
	sound->kind = kind_of(sound->type);
	sound->context = CurrentMemoryContext;
	get_typlenbyvalalign(sound->type, &sound->length, &sound->by_value,
						 &sound->align);
	return sound;
}

static bool
can_tell(GstoreSound *sound)
{
	int nparts = 1;

	check_stack_depth();
	if (sound->kind != KIND_ARRAY && sound->kind != KIND_COMPOSITE &&
		sound->kind != KIND_RANGE)
		return sound->kind != KIND_UNKNOWN;
	find_parts(sound);
	if (sound->kind == KIND_COMPOSITE)
		nparts = sound->desc->natts;
	for (int i = 0; i < nparts; i++)
		if (sound->parts[i] != NULL && !can_tell(sound->parts[i]))
			return false;
	return true;
}

bool
gstore_sound_can_tell(Oid type)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "gstore sound",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool can = can_tell(gstore_sound(type));

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return can;
}

/* ---- values without parts ---- */

/* value is a plain varlena of size bytes, header included. */

static bool
is_encoded(const char *text, Size bytes)
{
	return bytes <= INT_MAX && pg_verifymbstr(text, (int) bytes, true);
}

static bool
is_numeric(const char *body, Size bytes)
{
	GstoreNumericHeader header = gstore_numeric_header((const uint8 *) body,
													   (uint32) bytes);

	if (header.status == GSTORE_NUMERIC_NAN ||
		header.status == GSTORE_NUMERIC_INFINITY)
		return bytes == sizeof(uint16);
	if (header.status != GSTORE_NUMERIC_OK)
		return false;
	for (uint32 i = 0; i < header.ndigits; i++)
	{
		uint16 digit;

		memcpy(&digit, header.digits + 2 * i, sizeof(digit));
		if (digit > 9999)
			return false;
	}
	return true;
}

static bool
is_bits(const char *value, Size size)
{
	int32 bits;

	if (size < VARHDRSZ + VARBITHDRSZ)
		return false;
	bits = VARBITLEN(value);
	if (bits < 0 || size != VARHDRSZ + VARBITHDRSZ + ((Size) bits + 7) / 8)
		return false;
	/* functions rely on zeros behind the last bit */
	return bits % 8 == 0 ||
		   (((const uint8 *) value)[size - 1] & (0xFF >> (bits % 8))) == 0;
}

static bool
is_inet(const char *value, Size size)
{
	const inet_struct *address = (const inet_struct *) VARDATA(value);
	int most;

	if (size < VARHDRSZ + offsetof(inet_struct, ipaddr) ||
		(address->family != PGSQL_AF_INET && address->family != PGSQL_AF_INET6))
		return false;
	most = address->family == PGSQL_AF_INET ? 32 : 128;
	return address->bits <= most &&
		   size == VARHDRSZ + offsetof(inet_struct, ipaddr) + most / 8;
}

/* So many points behind a header, at least one. */
static bool
has_points(const char *value, Size size, Size header, Size npts_at)
{
	int32 npts;

	if (size < header)
		return false;
	memcpy(&npts, value + npts_at, sizeof(npts));
	return npts > 0 && size == header + (Size) npts * sizeof(Point);
}

static bool
is_vector(const GstoreSound *sound, const char *value, Size size)
{
	const ArrayType *array = (const ArrayType *) value;
	Size element = sound->type == OIDVECTOROID ? sizeof(Oid) : sizeof(int16);

	return size >= ARR_OVERHEAD_NONULLS(1) && array->ndim == 1 &&
		   array->dataoffset == 0 &&
		   array->elemtype == (sound->type == OIDVECTOROID ? OIDOID : INT2OID) &&
		   ARR_LBOUND(array)[0] == 0 && ARR_DIMS(array)[0] >= 0 &&
		   size >= ARR_OVERHEAD_NONULLS(1) + element * ARR_DIMS(array)[0];
}

/* ---- values with parts ---- */

static bool is_sound(GstoreSound *sound, const char *value, Size size);

/* The plain value of a compressed one of size bytes, or NULL. */
static char *
decompressed(const char *value, Size size, Size *plain_size)
{
	uint32 raw;
	char *plain;

	if (size < VARHDRSZ_COMPRESSED)
		return NULL;
	memcpy(&raw, value + VARHDRSZ, sizeof(raw));
	if (raw >> VARLENA_EXTSIZE_BITS != 0 || /* not pglz */
		raw > (size - VARHDRSZ_COMPRESSED) * MAX_RATIO ||
		raw > MaxAllocSize - VARHDRSZ)
		return NULL;
	*plain_size = raw + VARHDRSZ;
	plain = palloc(*plain_size);
	SET_VARSIZE(plain, *plain_size);
	if (gstore_pglz_decompress((const uint8 *) value + VARHDRSZ_COMPRESSED,
							   size - VARHDRSZ_COMPRESSED,
							   (uint8 *) VARDATA(plain), raw) == 0)
		return plain;
	pfree(plain);
	return NULL;
}

/* Is what a varlena with any header holds sound?  It has size bytes. */
static bool
is_sound_inside(GstoreSound *sound, const char *value, Size size)
{
	bool good;
	char *plain;

	if (VARATT_IS_4B_U(value) && (uintptr_t) value % ALIGNOF_DOUBLE == 0)
		return is_sound(sound, value, size);
	if (VARATT_IS_4B_C(value))
	{
		plain = decompressed(value, size, &size);
		if (plain == NULL)
			return false;
	}
	else
	{
		Size header = VARATT_IS_1B(value) ? VARHDRSZ_SHORT : VARHDRSZ;

		/* as those who read it would unpack it */
		size -= header;
		plain = palloc(size + VARHDRSZ);
		memcpy(plain + VARHDRSZ, value + header, size);
		size += VARHDRSZ;
		SET_VARSIZE(plain, size);
	}
	good = is_sound(sound, plain, size);
	pfree(plain);
	return good;
}

/*
 * Check the part that begins at *at, or behind padding, of a value that ends at
 * end, and go on to what is behind it: as att_align_pointer and
 * att_addlength_pointer do.
 */
static bool
pass_part(GstoreSound *part, const char *value, Size *at, Size end)
{
	Size size;

	if (part->length != -1)
	{
		*at = att_align_nominal(*at, part->align);
		size = (Size) part->length;
		if (*at > end || size > end - *at)
			return false;
		if (part->kind == KIND_NAME &&
			!gstore_sound_name(PointerGetDatum(value + *at)))
			return false;
		*at += size;
		return true;
	}
	if (*at >= end)
		return false;
	*at = att_align_pointer(*at, part->align, -1, value + *at);
	if (*at >= end)
		return false;
	if (VARATT_IS_1B_E(value + *at) ||
		(!VARATT_IS_1B(value + *at) && end - *at < VARHDRSZ))
		return false;
	size = VARSIZE_ANY(value + *at);
	if (size > end - *at ||
		size < (Size) (VARATT_IS_1B(value + *at) ? VARHDRSZ_SHORT : VARHDRSZ) ||
		!is_sound_inside(part, value + *at, size))
		return false;
	*at += size;
	return true;
}

static bool
is_array(GstoreSound *sound, const char *value, Size size)
{
	const ArrayType *array = (const ArrayType *) value;
	const bits8 *nulls;
	int64 nitems = 1;
	Size at;

	find_parts(sound);
	if (size < sizeof(ArrayType) || array->ndim < 0 || array->ndim > MAXDIM ||
		array->elemtype != sound->element ||
		size < ARR_OVERHEAD_NONULLS(array->ndim))
		return false;
	for (int i = 0; i < array->ndim; i++)
	{
		int32 sum;

		if (ARR_DIMS(array)[i] < 1 ||
			pg_add_s32_overflow(ARR_DIMS(array)[i], ARR_LBOUND(array)[i], &sum))
			return false;
		nitems *= ARR_DIMS(array)[i];
		if (nitems > (int64) MaxArraySize)
			return false;
	}
	if (array->ndim == 0)
		nitems = 0;
	at = array->dataoffset == 0 ? ARR_OVERHEAD_NONULLS(array->ndim)
								: (Size) array->dataoffset;
	if (array->dataoffset != 0 &&
		(Size) array->dataoffset != ARR_OVERHEAD_WITHNULLS(array->ndim, nitems))
		return false;
	if (at > size)
		return false;
	nulls = ARR_NULLBITMAP(array);
	for (int64 i = 0; i < nitems; i++)
	{
		if (nulls != NULL && (nulls[i / 8] & (1 << (i % 8))) == 0)
			continue;
		if (!pass_part(sound->parts[0], value, &at, size))
			return false;
		/* they are aligned one behind the other */
		at = att_align_nominal(at, sound->parts[0]->align);
	}
	return true;
}

static bool
is_composite(GstoreSound *sound, const char *value, Size size)
{
	const HeapTupleHeaderData *header = (const HeapTupleHeaderData *) value;
	bool has_nulls;
	int natts;
	Size at;

	find_parts(sound);
	if (size < SizeofHeapTupleHeader ||
		HeapTupleHeaderGetTypeId(header) != sound->type ||
		HeapTupleHeaderGetTypMod(header) != -1 ||
		HeapTupleHeaderHasExternal(header))
		return false;
	natts = HeapTupleHeaderGetNatts(header);
	has_nulls = (header->t_infomask & HEAP_HASNULL) != 0;
	at = header->t_hoff;
	if (natts > sound->desc->natts ||
		at != MAXALIGN(SizeofHeapTupleHeader +
					   (has_nulls ? BITMAPLEN(natts) : 0)) ||
		at > size)
		return false;
	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(sound->desc, i);
		GstoreSound dropped = {.length = attribute->attlen,
							   .align = attribute->attalign};

		if (has_nulls && att_isnull(i, header->t_bits))
			continue;
		if (!pass_part(sound->parts[i] != NULL ? sound->parts[i] : &dropped,
					   value, &at, size))
			return false;
	}
	return true;
}

static bool
is_range(GstoreSound *sound, const char *value, Size size)
{
	const RangeType *range = (const RangeType *) value;
	Size at = sizeof(RangeType);
	Size end = size - 1;
	char flags;

	find_parts(sound);
	if (size < sizeof(RangeType) + 1 || range->rangetypid != sound->type)
		return false;
	flags = value[end];
	if ((flags & ~(RANGE_EMPTY | RANGE_LB_INC | RANGE_UB_INC | RANGE_LB_INF |
				   RANGE_UB_INF)) != 0)
		return false;
	return (!RANGE_HAS_LBOUND(flags) ||
			pass_part(sound->parts[0], value, &at, end)) &&
		   (!RANGE_HAS_UBOUND(flags) ||
			pass_part(sound->parts[0], value, &at, end));
}

/* Is a plain varlena of size bytes, in private memory, aligned, one of the
 * type? */
static bool
is_sound(GstoreSound *sound, const char *value, Size size)
{
	check_stack_depth();
	switch (sound->kind)
	{
		case KIND_TEXT:
			return is_encoded(VARDATA(value), size - VARHDRSZ);
		case KIND_NUMERIC:
			return is_numeric(VARDATA(value), size - VARHDRSZ);
		case KIND_BITS:
			return is_bits(value, size);
		case KIND_INET:
			return is_inet(value, size);
		case KIND_PATH:
			return has_points(value, size, offsetof(PATH, p),
							  offsetof(PATH, npts));
		case KIND_POLYGON:
			return has_points(value, size, offsetof(POLYGON, p),
							  offsetof(POLYGON, npts));
		case KIND_VECTOR:
			return is_vector(sound, value, size);
		case KIND_ARRAY:
			return is_array(sound, value, size);
		case KIND_COMPOSITE:
			return is_composite(sound, value, size);
		case KIND_RANGE:
			return is_range(sound, value, size);
		default:
			return true;
	}
}

/* ---- copies ---- */

/* What decode gave is in the view's memory, in a scratch, or by value.  How
 * many bytes of the view's memory are there from the value on? */
static Size
bytes_left(const GstoreColumnView *view, const char *value)
{
	const char *from = (const char *) view->base + view->base_from;
	const char *to = (const char *) view->base + view->base_to;

	return view->encoding == GSTORE_ENCODING_PGSTROM_VARLENA && value >= from &&
				   value < to
			   ? (Size) (to - value)
			   : 0;
}

static bool
copy_varlena(GstoreSound *sound, Size left, Datum *value)
{
	const char *from = DatumGetPointer(*value);
	uint32 header;
	Size size;
	char *copy;

	if (left < VARHDRSZ)
		return false;
	/* Once: what it says is then the copy's, whatever the original becomes. */
	header = *(const volatile uint32 *) from;
	size = header >> 2;
	if ((header & 1) != 0 || size < VARHDRSZ || size > left)
		return false;
	copy = palloc(size);
	memcpy(copy, from, size);
	memcpy(copy, &header, sizeof(header));
	if ((header & 2) != 0)
	{
		char *plain = decompressed(copy, size, &size);

		pfree(copy);
		copy = plain;
	}
	if (copy == NULL || !is_sound(sound, copy, size))
		return false;
	*value = PointerGetDatum(copy);
	return true;
}

static bool
copy_fixed(GstoreSound *sound, Datum *value)
{
	char *copy = palloc(sound->length);

	memcpy(copy, DatumGetPointer(*value), sound->length);
	*value = PointerGetDatum(copy);
	return sound->kind != KIND_NAME || gstore_sound_name(*value);
}

bool
gstore_sound_copy(GstoreSound *sound, const GstoreColumnView *view,
				  Datum *value)
{
	if (sound->by_value)
		return true;
	if (sound->length != -1)
		return copy_fixed(sound, value);
	if (view->encoding == GSTORE_ENCODING_PGSTROM_VARLENA)
		return sound->kind == KIND_UNKNOWN ||
			   copy_varlena(sound, bytes_left(view, DatumGetPointer(*value)),
							value);
	/* of format arrow, in private memory and well formed, but for text */
	return sound->kind != KIND_TEXT || gstore_sound_text(*value);
}

bool
gstore_sound_text(Datum value)
{
	return is_encoded(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

bool
gstore_sound_name(Datum value)
{
	const char *name = NameStr(*DatumGetName(value));
	const char *end = memchr(name, '\0', NAMEDATALEN);

	return end != NULL && is_encoded(name, end - name);
}

void
gstore_sound_refuse(const char *column, const char *relname)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 column != NULL ? errmsg("column \"%s\" of foreign table \"%s\": a value is damaged",
									 column, relname)
							: errmsg("foreign table \"%s\": a value is damaged",
									 relname),
			 errhint("A program that mapped the exported memory may have overwritten it.")));
}
