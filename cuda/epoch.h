/*
 * epoch.h
 *	  From 1970-01-01, where Arrow's dates and timestamps begin, to 2000-01-01,
 *	  where PostgreSQL's do.
 */
#ifndef GSTORE_EPOCH_H
#define GSTORE_EPOCH_H

#define GSTORE_DAY_MICROSECONDS INT64_C(86400000000)
#define GSTORE_EPOCH_DAYS 10957
#define GSTORE_EPOCH_MICROSECONDS (GSTORE_DAY_MICROSECONDS * GSTORE_EPOCH_DAYS)

#endif
