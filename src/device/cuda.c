#include "device/device.h"
#include <string.h>
static bool open_none(const GstoreDeviceConfig *c, GstoreDeviceError *e)
{ (void) c; memset(e, 0, sizeof *e); e->kind = GSTORE_DEVICE_UNAVAILABLE; return false; }
const GstoreDeviceOps gstore_cuda_device = {.kind = "cuda", .keeper_only = true, .open = open_none};
