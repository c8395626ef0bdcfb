/*
 * headroom.h
 *	  How much more memory the machine and the memory cgroups let us take.
 */
#ifndef GSTORE_HEADROOM_H
#define GSTORE_HEADROOM_H

#include "port.h"

/*
 * Bytes this process could still take without the kernel having to kill
 * somebody: the least of the machine's available memory and, for each memory
 * cgroup the process is in and each of its parents, what lies between use and
 * limit; reclaimable page cache counts as free and a reserve is kept back.
 * Costs some dozen small reads.  root is put before every path: "" but in
 * tests.  What cannot be read does not limit; if nothing can, UINT64_MAX.
 */
extern uint64 gstore_headroom(const char *root);

#endif
