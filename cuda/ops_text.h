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

/*
 * LIKE, the escape character being a backslash.  Characters are those of
 * UTF-8; in an encoding of single bytes a pattern with "_" is not compiled.
 * After a mismatch only the last "%" can do otherwise: no recursion.
 */
GSTORE_DEVICE_FUNC uint8
gstore_op_text_like(gstore_logic *r, gstore_text a, gstore_text pattern)
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
			if (pattern.data[p + escaped] == a.data[t])
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
gstore_op_text_not_like(gstore_logic *r, gstore_text a, gstore_text pattern)
{
	uint8 state = gstore_op_text_like(r, a, pattern);

	*r = (gstore_logic) !*r;
	return state;
}

#endif
