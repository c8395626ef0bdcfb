/*
 * ops_text.h
 *	  Text as bytes: equality, the order of collation C, LIKE.
 *
 * Whether bytes may speak for characters (the collation, the encoding) is for
 * the compiler of programs to know.  char(n) values keep their padding, and
 * operators of char(n) overlook trailing blanks.
 */
#ifndef GSTORE_OPS_TEXT_H
#define GSTORE_OPS_TEXT_H

#include "scalar.h"

GSTORE_DEVICE_FUNC int
gstore_text_compare(GstoreText a, GstoreText b)
{
	uint64 n = a.length < b.length ? a.length : b.length;

	for (uint64 i = 0; i < n; i++)
		if (a.data[i] != b.data[i])
			return a.data[i] < b.data[i] ? -1 : 1;
	return (a.length > b.length) - (a.length < b.length);
}

GSTORE_DEVICE_FUNC bool
gstore_text_equal(GstoreText a, GstoreText b)
{
	if (a.length != b.length)
		return false;
	for (uint64 i = 0; i < a.length; i++)
		if (a.data[i] != b.data[i])
			return false;
	return true;
}

/* Without the blanks at the end. */
GSTORE_DEVICE_FUNC GstoreText
gstore_text_trimmed(GstoreText a)
{
	while (a.length > 0 && a.data[a.length - 1] == ' ')
		a.length--;
	return a;
}

#define GSTORE_DEFINE_TEXT(name, expression) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_text##name(gstore_logic *r, \
												  gstore_text a, \
												  gstore_text b) \
	{ \
		*r = (gstore_logic) (expression); \
		return GSTORE_STATE_VALUE; \
	} \
	GSTORE_DEVICE_FUNC uint8 gstore_op_bpchar##name(gstore_logic *r, \
													gstore_text a, \
													gstore_text b) \
	{ \
		return gstore_op_text##name(r, gstore_text_trimmed(a), \
									gstore_text_trimmed(b)); \
	}

GSTORE_DEFINE_TEXT(eq, gstore_text_equal(a, b))
GSTORE_DEFINE_TEXT(ne, !gstore_text_equal(a, b))
GSTORE_DEFINE_TEXT(lt, gstore_text_compare(a, b) < 0)
GSTORE_DEFINE_TEXT(le, gstore_text_compare(a, b) <= 0)
GSTORE_DEFINE_TEXT(gt, gstore_text_compare(a, b) > 0)
GSTORE_DEFINE_TEXT(ge, gstore_text_compare(a, b) >= 0)

/* A uuid is 16 bytes. */
#define GSTORE_DEFINE_UUID(name, sign) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_uuid##name(gstore_logic *r, \
												  gstore_uuid a, \
												  gstore_uuid b) \
	{ \
		GstoreText x = {(const uint8 *) a.words, sizeof(a)}; \
		GstoreText y = {(const uint8 *) b.words, sizeof(b)}; \
\
		*r = (gstore_logic) (gstore_text_compare(x, y) sign 0); \
		return GSTORE_STATE_VALUE; \
	}

GSTORE_DEFINE_UUID(eq, ==)
GSTORE_DEFINE_UUID(ne, !=)
GSTORE_DEFINE_UUID(lt, <)
GSTORE_DEFINE_UUID(le, <=)
GSTORE_DEFINE_UUID(gt, >)
GSTORE_DEFINE_UUID(ge, >=)

GSTORE_DEVICE_FUNC uint8
gstore_op_bpchar_text(gstore_text *r, gstore_text a)
{
	*r = gstore_text_trimmed(a);
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_text_octets(gstore_int4 *r, gstore_text a)
{
	*r = (int32) a.length;
	return GSTORE_STATE_VALUE;
}

/* Characters of UTF-8: bytes that do not continue one. */
GSTORE_DEVICE_FUNC uint8
gstore_op_text_utf8_length(gstore_int4 *r, gstore_text a)
{
	*r = 0;
	for (uint64 i = 0; i < a.length; i++)
		*r += (a.data[i] & 0xC0) != 0x80;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_text_starts(gstore_logic *r, gstore_text a, gstore_text prefix)
{
	bool longer = a.length >= prefix.length;

	a.length = longer ? prefix.length : a.length;
	*r = (gstore_logic) (longer && gstore_text_equal(a, prefix));
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_fold(uint8 byte, bool fold)
{
	return (uint8) (fold && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
}

/*
 * LIKE, the escape character being a backslash.  Characters are those of
 * UTF-8; in an encoding of single bytes a pattern with "_" is not compiled.
 * After a mismatch only the last "%" can do otherwise: no recursion.
 */
GSTORE_DEVICE_FUNC uint8
gstore_text_match(gstore_logic *r, GstoreText a, GstoreText pattern,
				  bool fold)
{
	uint64 t = 0;
	uint64 p = 0;
	uint64 retry_t = 0;
	uint64 retry_p = 0;
	bool retry = false;

	*r = 0;
	for (;;)
	{
		bool matched = false;

		if (p < pattern.length && pattern.data[p] == '%')
		{
			retry = true;
			retry_p = ++p;
			retry_t = t;
			continue;
		}
		if (t >= a.length)
			break;
		if (p < pattern.length && pattern.data[p] == '_')
		{
			t++;
			while (t < a.length && (a.data[t] & 0xC0) == 0x80)
				t++;
			p++;
			matched = true;
		}
		else if (p < pattern.length)
		{
			uint64 escaped = pattern.data[p] == '\\';

			if (p + escaped >= pattern.length)
				return GSTORE_STATE_LIKE_ESCAPE;
			if (gstore_fold(pattern.data[p + escaped], fold) ==
				gstore_fold(a.data[t], fold))
			{
				t++;
				p += escaped + 1;
				matched = true;
			}
		}
		if (matched)
			continue;
		if (!retry)
			return GSTORE_STATE_VALUE;
		t = ++retry_t;
		p = retry_p;
	}
	*r = (gstore_logic) (p == pattern.length);
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_text_like(gstore_logic *r, gstore_text a, gstore_text pattern)
{
	return gstore_text_match(r, a, pattern, false);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_text_not_like(gstore_logic *r, gstore_text a, gstore_text pattern)
{
	uint8 state = gstore_op_text_like(r, a, pattern);

	*r = (gstore_logic) !*r;
	return state;
}

/* ILIKE of a pattern in ASCII, where A to Z become a to z: what other letters
 * become is PostgreSQL's to say. */
GSTORE_DEVICE_FUNC uint8
gstore_op_text_ilike(gstore_logic *r, gstore_text a, gstore_text pattern)
{
	uint8 all = 0;

	*r = 0;
	for (uint64 i = 0; i < a.length; i++)
		all |= a.data[i];
	if (all & 0x80)
		return GSTORE_STATE_BEYOND;
	return gstore_text_match(r, a, pattern, true);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_text_not_ilike(gstore_logic *r, gstore_text a, gstore_text pattern)
{
	uint8 state = gstore_op_text_ilike(r, a, pattern);

	*r = (gstore_logic) !*r;
	return state;
}

/* ---- pieces ---- */

/* Bytes that the first n characters take. */
GSTORE_DEVICE_FUNC uint64
gstore_text_utf8_bytes(GstoreText a, int32 n)
{
	uint64 at = 0;

	for (; n > 0 && at < a.length; n--)
	{
		at++;
		while (at < a.length && (a.data[at] & 0xC0) == 0x80)
			at++;
	}
	return at;
}

/* substring(a from start) */
GSTORE_DEVICE_FUNC uint8
gstore_op_text_utf8_from(gstore_text *r, gstore_text a, gstore_int4 start)
{
	uint64 skip = gstore_text_utf8_bytes(a, start > 1 ? start - 1 : 0);

	r->data = a.data + skip;
	r->length = a.length - skip;
	return GSTORE_STATE_VALUE;
}

/* The first so many characters. */
GSTORE_DEVICE_FUNC uint8
gstore_op_text_utf8_upto(gstore_text *r, gstore_text a, gstore_int4 end)
{
	r->data = a.data;
	r->length = gstore_text_utf8_bytes(a, end);
	return GSTORE_STATE_VALUE;
}

/* How many characters lie before the end of substring(... from start for
 * length). */
GSTORE_DEVICE_FUNC uint8
gstore_op_text_piece_end(gstore_int4 *r, gstore_int4 start, gstore_int4 length)
{
	int64 end = (int64) start + length - 1;

	*r = (int32) (end < 0 ? 0 : (end > 2147483647 ? 2147483647 : end));
	return (uint8) (length < 0 ? GSTORE_STATE_SUBSTRING : GSTORE_STATE_VALUE);
}

/* ---- long lists ---- */

/*
 * A list is a text: whether it has a NULL (8 bytes), how many values it has (8
 * bytes), then the values, sorted: int64 each, or for texts where each ends,
 * counted from the last of these numbers, and their bytes.
 */
GSTORE_DEVICE_FUNC int64
gstore_list_word(GstoreText list, int64 index)
{
	int64 word;

	memcpy(&word, list.data + 8 * index, sizeof(word));
	return word;
}

GSTORE_DEVICE_FUNC uint8
gstore_list_outcome(gstore_logic *r, bool found, GstoreText list)
{
	*r = (gstore_logic) found;
	return (uint8) (!found && gstore_list_word(list, 0) ? GSTORE_STATE_NULL
														: GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_list_search(gstore_logic *r, int64 a, GstoreText list)
{
	int64 low = 0;
	int64 end = gstore_list_word(list, 1);
	int64 high = end;

	while (low < high)
	{
		int64 middle = (low + high) / 2;

		if (gstore_list_word(list, 2 + middle) < a)
			low = middle + 1;
		else
			high = middle;
	}
	return gstore_list_outcome(r,
							   low < end && gstore_list_word(list, 2 + low) == a,
							   list);
}

#define GSTORE_DEFINE_IN(type) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##type##in(gstore_logic *r, \
												  gstore_##type a, \
												  gstore_text list) \
	{ \
		return gstore_list_search(r, (int64) a, list); \
	}

GSTORE_DEFINE_IN(int2)
GSTORE_DEFINE_IN(int4)
GSTORE_DEFINE_IN(int8)
GSTORE_DEFINE_IN(date)
GSTORE_DEFINE_IN(timestamp)
GSTORE_DEFINE_IN(oid)

/* Floats by what is the same for all that are equal. */
GSTORE_DEVICE_FUNC int64
gstore_float_word(double a)
{
	int64 word;

	if (a == 0)
		a = 0;
	if (a != a)
		return -1; /* a NaN, as good as any */
	memcpy(&word, &a, sizeof(word));
	return word;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_float4in(gstore_logic *r, gstore_float4 a, gstore_text list)
{
	return gstore_list_search(r, gstore_float_word(a), list);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_float8in(gstore_logic *r, gstore_float8 a, gstore_text list)
{
	return gstore_list_search(r, gstore_float_word(a), list);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_textin(gstore_logic *r, gstore_text a, gstore_text list)
{
	int64 n = gstore_list_word(list, 1);
	const uint8 *bytes = list.data + 8 * (2 + n);
	int64 low = 0;
	int64 high = n;

	while (low < high)
	{
		int64 middle = (low + high) / 2;
		int64 from = middle ? gstore_list_word(list, 1 + middle) : 0;
		GstoreText value;
		int order;

		value.data = bytes + from;
		value.length = (uint64) (gstore_list_word(list, 2 + middle) - from);
		order = gstore_text_compare(value, a);
		if (order == 0)
			return gstore_list_outcome(r, true, list);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return gstore_list_outcome(r, false, list);
}

/* Of values without blanks at the end. */
GSTORE_DEVICE_FUNC uint8
gstore_op_bpcharin(gstore_logic *r, gstore_text a, gstore_text list)
{
	return gstore_op_textin(r, gstore_text_trimmed(a), list);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_uuidin(gstore_logic *r, gstore_uuid a, gstore_text list)
{
	GstoreText bytes = {(const uint8 *) a.words, sizeof(a)};

	return gstore_op_textin(r, bytes, list);
}

#endif
