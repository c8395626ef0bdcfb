/*
 * region.h
 *	  Device memory that another process has, reached by its handle.
 *
 * The keeper opens it, as often as it is asked to; the driver counts.  What is
 * opened is closed on every path: by gstore_region_close(), or by the request's
 * hold.  It is read through views (view.h) of its location.
 */
#ifndef GSTORE_REGION_H
#define GSTORE_REGION_H

#include "request/request.h"

typedef struct GstoreRegion GstoreRegion;

/* Raises, with the driver's reason, when the driver refuses the handle.  In the
 * current memory context; purpose is copied. */
extern GstoreRegion *gstore_region_open(int device,
										const GstoreIpcHandle *handle,
										const char *purpose);
/* Where it is, and its real length. */
extern GstoreLocation gstore_region_location(const GstoreRegion *region);
/* Write bytes there; they are on their way when it returns.  The range lies
 * within the region. */
extern void gstore_region_write(GstoreRegion *region, uint64 offset,
								const void *bytes, uint64 length);
/* Wait until all has arrived. */
extern void gstore_region_flush(GstoreRegion *region);
extern void gstore_region_close(GstoreRegion *region);

/* Raise that a device cannot open a handle. */
extern void gstore_region_refuse(int device, int sqlstate, const char *detail,
								 const char *hint, const char *purpose)
	pg_attribute_noreturn();

#endif
