/*
 * join.h
 *	  The small chunks of a transaction that writes statement by statement
 *	  become few while it runs.
 */
#ifndef GSTORE_JOIN_H
#define GSTORE_JOIN_H

#include "store/writer.h"

/*
 * Join the latest chunks that the current subtransaction added to the table,
 * if it is worth it; the caller holds the writer lock and has just published
 * one.  Rows keep their addresses, their xids and their command ids.
 */
extern void gstore_join_latest(const GstoreTarget *target, GstoreTable *table);

#endif
