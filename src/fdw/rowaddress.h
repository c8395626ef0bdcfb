/*
 * rowaddress.h
 *	  A row's address (48 bits, per table) <-> the ctid it travels in.
 *
 * Offset number 0 and block number 0xFFFFFFFF mean "invalid" to PostgreSQL, so
 * a block holds GSTORE_ROWS_PER_BLOCK rows, numbered from 1.
 */
#ifndef GSTORE_ROWADDRESS_H
#define GSTORE_ROWADDRESS_H

#include "storage/itemptr.h"

#include "store/catalog.h"

static inline void
gstore_row_address_to_tid(uint64 row, ItemPointer tid)
{
	ItemPointerSet(tid, (BlockNumber) (row / GSTORE_ROWS_PER_BLOCK),
				   (OffsetNumber) (row % GSTORE_ROWS_PER_BLOCK + 1));
}

static inline uint64
gstore_tid_to_row_address(ItemPointer tid)
{
	return (uint64) ItemPointerGetBlockNumberNoCheck(tid) *
			   GSTORE_ROWS_PER_BLOCK +
		   ItemPointerGetOffsetNumberNoCheck(tid) - 1;
}

#endif
