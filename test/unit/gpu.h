/*
 * gpu.h
 *	  What tests of kernels share: a stand-in that is open, a stream on it, and
 *	  numbers at random.
 */
#ifndef GSTORE_UNIT_GPU_H
#define GSTORE_UNIT_GPU_H

#include "device/device.h"

extern const GstoreDeviceOps *const cuda;
extern GstoreDeviceError error;
extern uint8 *staging; /* as much as gpu_open was told */
extern GstoreStream *stream;
extern uint64 seed;

/* Give up the whole program, with the latest error of the device. */
extern void die(const char *what) __attribute__((noreturn));
/* The next number, less than below. */
extern uint64 any(uint64 below);

/* Open device 0 of the stand-in that GSTORE_CUDASIM names; without one, say that
 * the program is skipped, and end it. */
extern void gpu_open(uint64 staging_bytes);
/* Wait until all that the stream has is done. */
extern void finish(void);

#endif
