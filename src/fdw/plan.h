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
	GSTORE_SCAN_OUTPUT		 /* integer List: of the columns, those that are
							  * not only for pushed conditions */
} GstoreScanPrivate;

#endif
