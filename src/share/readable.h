/*
 * readable.h
 *	  Opening a gstore table for a function that tells of its rows.
 */
#ifndef GSTORE_READABLE_H
#define GSTORE_READABLE_H

#include "utils/relcache.h"

/* With ACCESS SHARE, as any reader; raises 42501 without SELECT on it, 42809 if
 * it is no gstore table. */
extern Relation gstore_open_readable(Oid relid);

#endif
