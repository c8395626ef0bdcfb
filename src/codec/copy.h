/*
 * copy.h
 *	  Copying values that are mostly short, without a call.
 */
#ifndef GSTORE_COPY_H
#define GSTORE_COPY_H

#include <string.h>

#include "port.h"

/* Touches no byte but those named: the ends of a value are copied twice where
 * its length is no power of two. */
static inline void
gstore_copy(uint8 *target, const uint8 *source, size_t bytes)
{
	if (bytes > 32)
		memcpy(target, source, bytes);
	else if (bytes >= 16)
	{
		memcpy(target, source, 16);
		memcpy(target + bytes - 16, source + bytes - 16, 16);
	}
	else if (bytes >= 8)
	{
		memcpy(target, source, 8);
		memcpy(target + bytes - 8, source + bytes - 8, 8);
	}
	else if (bytes >= 4)
	{
		memcpy(target, source, 4);
		memcpy(target + bytes - 4, source + bytes - 4, 4);
	}
	else if (bytes > 0)
	{
		uint8 first = source[0];
		uint8 middle = source[bytes / 2];

		target[bytes - 1] = source[bytes - 1];
		target[bytes / 2] = middle;
		target[0] = first;
	}
}

#endif
