/*
 * shelf.c
 *	  Pages of the arena from which small images are cut; see shelf.h.
 *
 * The first unit of a page counts the others that are not free: in pieces, or
 * still to be cut.  Whoever takes that to zero gives the page back.  The count
 * lies where a program that maps more of host memory than it was handed could
 * overwrite it, so it is not trusted to be right: such a page is given back
 * never, or too early, and then images are written over, as that program could
 * have done itself.
 */
#include "postgres.h"

#include "device/arena.h"
#include "request/shelf.h"

#define UNITS (GSTORE_ARENA_PAGE / GSTORE_SHELF_UNIT)
#define UNITS_TO_CUT (UNITS - 1)
#define PAGE_MASK (~(GSTORE_ARENA_PAGE - 1))

StaticAssertDecl(2 * GSTORE_SHELF_LARGEST <= UNITS_TO_CUT * GSTORE_SHELF_UNIT,
				 "two of the largest fit into a page");

typedef struct PageHeader
{
	pg_atomic_uint64 units;
} PageHeader;

StaticAssertDecl(sizeof(PageHeader) <= GSTORE_SHELF_UNIT,
				 "a page's header is a unit");

static PageHeader *
header_of(uint64 page)
{
	return gstore_arena_pointer(page);
}

/* So many units of a page are free; the page with the last of them. */
static void
release(uint64 page, uint64 units)
{
	if (units > 0 &&
		pg_atomic_fetch_sub_u64(&header_of(page)->units, units) == units)
		gstore_arena_free(page, GSTORE_ARENA_PAGE);
}

void
gstore_shelf_init(GstoreShelf *shelf)
{
	pg_atomic_init_u64(&shelf->open, 0);
}

static bool
open_page(uint64 *page, uint64 *available)
{
	uint64 length;

	if (!gstore_arena_alloc(GSTORE_ARENA_POOL, GSTORE_ARENA_PAGE, page,
							&length, available))
		return false;

	/* A page that is first read is mapped together with its neighbours, one
	 * that is first written to is mapped alone. */
	(void) *(volatile const char *) header_of(*page);
	pg_atomic_init_u64(&header_of(*page)->units, UNITS_TO_CUT);
	return true;
}

bool
gstore_shelf_cut(GstoreShelf *shelf, uint64 length, uint64 *offset,
				 uint64 *available)
{
	uint64 units = length / GSTORE_SHELF_UNIT;
	uint64 state = pg_atomic_read_u64(&shelf->open);

	Assert(length % GSTORE_SHELF_UNIT == 0 && length <= GSTORE_SHELF_LARGEST);
	for (;;)
	{
		uint64 left = state & ~PAGE_MASK;
		uint64 page;

		if (left >= units)
		{
			if (!pg_atomic_compare_exchange_u64(&shelf->open, &state,
												state - units))
				continue;
			*offset = (state & PAGE_MASK) + (UNITS - left) * GSTORE_SHELF_UNIT;
			return true;
		}
		if (!open_page(&page, available))
			return false;
		if (pg_atomic_compare_exchange_u64(&shelf->open, &state,
										   page | (UNITS_TO_CUT - units)))
		{
			release(state & PAGE_MASK, left);
			*offset = page + GSTORE_SHELF_UNIT;
			return true;
		}
		release(page, UNITS_TO_CUT);
	}
}

void
gstore_shelf_free(uint64 offset, uint64 length)
{
	release(offset & PAGE_MASK, length / GSTORE_SHELF_UNIT);
}

bool
gstore_shelf_is_piece(uint64 length)
{
	return length % GSTORE_ARENA_PAGE != 0;
}

void
gstore_shelf_close(GstoreShelf *shelf, bool only_unused)
{
	uint64 state = pg_atomic_read_u64(&shelf->open);
	uint64 page = state & PAGE_MASK;
	uint64 left = state & ~PAGE_MASK;

	if (left == 0 ||
		(only_unused &&
		 pg_atomic_read_u64(&header_of(page)->units) != left))
		return;

	/* Whoever was faster has use for it. */
	if (pg_atomic_compare_exchange_u64(&shelf->open, &state, 0))
		release(page, left);
}
