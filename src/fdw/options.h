/*
 * options.h
 *	  The options of foreign tables and their columns.
 */
#ifndef GSTORE_OPTIONS_H
#define GSTORE_OPTIONS_H

#include "codec/codec.h"

typedef struct GstoreTableOptions
{
	int pinning; /* device number */
	GstoreFormat format;
} GstoreTableOptions;

extern GstoreTableOptions gstore_table_options(Oid relid);
extern GstoreCompression gstore_column_compression(Oid relid,
												   AttrNumber attnum);

#endif
