/*
 * space.h
 *	  Memory for arrays that become large: from malloc as long as they are small,
 *	  then pages of their own, which grow without being copied.
 *
 * For GstoreAllocator: any thread may use it.
 */
#ifndef GSTORE_SPACE_H
#define GSTORE_SPACE_H

#include "codec/codec.h"

extern const GstoreAllocator gstore_space_allocator;

#endif
