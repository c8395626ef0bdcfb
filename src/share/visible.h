/*
 * visible.h
 *	  Whether the current user may see figures of a table.
 */
#ifndef GSTORE_VISIBLE_H
#define GSTORE_VISIBLE_H

/* Superusers and who has pg_read_all_stats see all; others what they may read
 * of this database. */
extern bool gstore_is_visible(Oid database, Oid table);

#endif
