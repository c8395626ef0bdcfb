/*
 * pgstrom.h
 *	  What the two halves of the codec `pgstrom' share: the one that builds
 *	  images (pgstrom_build.c) and the one that reads them (pgstrom_read.c).
 *
 * The layout is told in gstore_format.h.
 */
#ifndef GSTORE_PGSTROM_H
#define GSTORE_PGSTROM_H

#include "codec/codec.h"
#include "gstore_format.h"

/* Blocks are padded to units of 8 bytes. */
#define GSTORE_PGSTROM_UNIT 8

/* Rows, and places in units of 8 bytes, are uint32. */
#define GSTORE_PGSTROM_MAX_ROWS UINT64_C(0xFFFFFFFF)
#define GSTORE_PGSTROM_MAX_BYTES (UINT64_C(0xFFFFFFFF) * 8)

extern GstoreBuilder *gstore_pgstrom_create(const GstoreSchema *schema,
											const GstoreAllocator *allocator);
extern void gstore_pgstrom_destroy(GstoreBuilder *builder);
extern void gstore_pgstrom_reset(GstoreBuilder *builder);
extern void gstore_pgstrom_reset_column(GstoreBuilder *builder, int column);
extern GstoreCodecStatus gstore_pgstrom_append(GstoreBuilder *builder,
											   const GstoreValue *values,
											   const bool *nulls,
											   GstoreCodecError *error);
extern GstoreCodecStatus gstore_pgstrom_append_column(GstoreBuilder *builder,
													  int column,
													  const GstoreValue *values,
													  const bool *nulls,
													  uint32 count,
													  GstoreCodecError *error);
extern const GstoreSchema *gstore_pgstrom_schema(const GstoreBuilder *builder);
extern uint64 gstore_pgstrom_rows(const GstoreBuilder *builder);
extern void gstore_pgstrom_set_rows(GstoreBuilder *builder, uint64 rows);
extern uint64 gstore_pgstrom_bytes(const GstoreBuilder *builder);
extern uint64 gstore_pgstrom_column_bytes(const GstoreBuilder *builder,
										  int column);
extern uint64 gstore_pgstrom_memory(const GstoreBuilder *builder);
extern void gstore_pgstrom_bounds(const GstoreBuilder *builder, int column,
								  uint64 rows, struct GstoreBounds *bounds, int stride);
extern void gstore_pgstrom_write_header(GstoreBuilder *builder, void *image);
extern void gstore_pgstrom_write_column(GstoreBuilder *builder, int column,
										void *image);

extern GstoreCodecStatus gstore_pgstrom_lay_out(const GstoreSchema *schema,
												uint64 rows,
												const GstoreColumnSize *sizes,
												void *header,
												uint64 *image_bytes,
												GstoreCodecError *error);

/* Lower a builder's limits, so that tests reach them. */
extern void gstore_pgstrom_limit(GstoreBuilder *builder, uint64 rows,
								 uint64 bytes);

#endif
