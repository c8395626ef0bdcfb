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
	bool large_text; /* arrow: 64-bit offsets */
} GstoreTableOptions;

typedef struct GstoreColumnOptions
{
	GstoreCompression compression;
	bool bool_byte; /* arrow: a bool is a byte, not a bit */
	int scale;		/* arrow: of a numeric that has none; -1: not given */
} GstoreColumnOptions;

extern GstoreTableOptions gstore_table_options(Oid relid);
extern GstoreColumnOptions gstore_column_options(Oid relid,
												 AttrNumber attnum);

#endif
