/*
 * view.h
 *	  Ranges of a chunk's bytes, in memory one can read or write.
 *
 * In the arena that is the memory itself; on a keeper-only device a staging
 * window that the keeper fills, or, where none of the size is to be had at
 * once, memory of the arena's pool that is filled through a small one.  So a
 * process may keep as many views as it likes without making another wait, and
 * opening one never waits for anybody who keeps one.  A view is held (hold.h):
 * an error closes it.
 */
#ifndef GSTORE_VIEW_H
#define GSTORE_VIEW_H

#include "codec/codec.h"
#include "device/location.h"
#include "guc.h"
#include "request/hold.h"
#include "request/shelf.h"
#include "utils/dsa.h"

typedef struct GstoreView GstoreView;

/*
 * Ask for ranges of a location's bytes.  On a device this submits the copy and
 * returns: gstore_view_wait() before the pointers are used, so that the next
 * window is on its way while this one is read.  pinned names the chunk, which
 * the caller keeps pinned at least until gstore_view_wait() returned; a view
 * that is abandoned before keeps a pin of its own.  purpose is copied into
 * errors ("reading table \"t\"").  Ranges must lie within location.length.
 */
extern GstoreView *gstore_view_open(GstoreLocation location,
									dsa_pointer pinned,
									const GstoreByteRange *ranges, int nranges,
									const char *purpose);
extern void gstore_view_wait(GstoreView *view);
/* Where range i lies, valid until close. */
extern const void *gstore_view_pointer(GstoreView *view, int range);
extern void gstore_view_close(GstoreView *view);

/*
 * Memory to write a new image of exactly bytes bytes into, charged to device.
 * Where the device is the arena this is the image's place; on cuda an image
 * below GSTORE_SMALL_IMAGE stays in the arena, others are staged.  Raises
 * 53200 naming the device, the bytes wanted and those free.
 */
#define GSTORE_SMALL_IMAGE ((uint64) gstore_guc_small_image << 10)

typedef struct GstoreImageSpace GstoreImageSpace;

/* With a shelf a small image that stays in the arena is cut from it: memory that
 * cannot be shared with other processes. */
extern GstoreImageSpace *gstore_image_reserve(int device, uint64 bytes,
											  GstoreShelf *shelf,
											  const char *purpose);
/* The same, but never in the arena of a server with GPUs: memory that can be
 * shared with other processes. */
extern GstoreImageSpace *gstore_image_reserve_shareable(int device,
														uint64 bytes,
														const char *purpose);
/* Memory in which an image that is to have at most bytes bytes can grow, where images
 * stay where they are written; NULL: they do not, or little memory is free.  trim:
 * the image has but so many.  give_up: it is written elsewhere. */
extern GstoreImageSpace *gstore_image_reserve_ahead(int device, uint64 bytes,
													const char *purpose);
extern void gstore_image_trim(GstoreImageSpace *space, uint64 bytes);
extern void gstore_image_give_up(GstoreImageSpace *space);
extern void *gstore_image_memory(GstoreImageSpace *space);
/* Send the written image on its way, which is not waited for; and is it there?
 * Both may be left out. */
extern void gstore_image_send(GstoreImageSpace *space);
extern bool gstore_image_is_there(const GstoreImageSpace *space);
/* Bring the written image to its place and return it; the caller owns the
 * location from then on.  The space is gone. */
extern GstoreLocation gstore_image_place(GstoreImageSpace *space);

/*
 * Free a location.  In the arena at once.  On a keeper-only device it cannot
 * be done here: returns false, and the caller hands it to the keeper.  Does
 * not raise or allocate.
 */
extern bool gstore_location_free(GstoreLocation location);
/* Once the keeper can find it: take it off the books.  For a keeper-only
 * device; nothing is done for other locations. */
extern void gstore_location_uncharge(GstoreLocation location);

#endif
