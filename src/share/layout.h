/*
 * layout.h
 *	  What is where in an image, as jsonb: for programs that map it.
 */
#ifndef GSTORE_LAYOUT_H
#define GSTORE_LAYOUT_H

#include "device/location.h"
#include "utils/dsa.h"
#include "utils/jsonb.h"

/* Read from the image's own header, which is checked.  Its chunk is pinned by the
 * caller. */
extern Jsonb *gstore_layout(GstoreLocation location, dsa_pointer chunk,
							uint64 image_bytes, const char *relname);

#endif
