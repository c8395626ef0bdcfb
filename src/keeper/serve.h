/*
 * serve.h
 *	  The keeper at work: requests and frees, many at a time.
 */
#ifndef GSTORE_SERVE_H
#define GSTORE_SERVE_H

#include "device/device.h"

/* Get ready to serve an open device; ops is NULL where the arena is the
 * device, for then there is nothing to copy.  Raises. */
extern void gstore_serve_start(const GstoreDeviceOps *ops);

/*
 * Go on with everything that can go on, without waiting.  Ends the process
 * (FATAL) when a device is lost.
 */
extern void gstore_serve(void);

/* Is something under way that should be looked at before long, even if nobody
 * wakes us? */
extern bool gstore_serve_is_busy(void);

#endif
