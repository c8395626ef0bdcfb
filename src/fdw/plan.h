/*
 * plan.h
 *	  What the planner hands to the executor.
 */
#ifndef GSTORE_PLAN_H
#define GSTORE_PLAN_H

/* Indexes of ForeignScan.fdw_private. */
typedef enum GstoreScanPrivate
{
	GSTORE_SCAN_COLUMNS,	 /* integer List of attribute numbers to read */
	GSTORE_SCAN_ROW_ADDRESS, /* Boolean: is the ctid wanted? */
	GSTORE_SCAN_OUTPUT,		 /* integer List: of the columns, those that are
							  * not only for pushed conditions */
	/* of a scan that changes its rows itself: */
	GSTORE_SCAN_SET,		/* integer List: columns that the fdw_exprs are
							   * for */
	GSTORE_SCAN_CAN_SET_TAG /* Boolean: do its rows count as the command's? */
} GstoreScanPrivate;

#endif
