/*
 * columns.h
 *	  What PostgreSQL says of a foreign table's columns, in the store's words.
 */
#ifndef GSTORE_COLUMNS_H
#define GSTORE_COLUMNS_H

#include "store/writer.h"
#include "utils/relcache.h"

/* Everything reading or writing the table needs to know of it, in the current
 * memory context. */
extern GstoreTarget *gstore_target(Relation relation);

/* A value made ready for a codec: nothing outside the row, nothing compressed
 * by a method the codecs do not know. */
extern Datum gstore_flatten(Datum value);

#endif
