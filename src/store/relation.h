/*
 * relation.h
 *	  Which relations are gstore tables.
 */
#ifndef GSTORE_RELATION_H
#define GSTORE_RELATION_H

/* True if relid is a foreign table whose wrapper is served by this library. */
extern bool gstore_is_table(Oid relid);

#endif
