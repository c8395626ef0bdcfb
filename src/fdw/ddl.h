/*
 * ddl.h
 *	  What of DDL on gstore tables must be refused at once.
 */
#ifndef GSTORE_DDL_H
#define GSTORE_DDL_H

/* _PG_init: install the hook. */
extern void gstore_ddl_init(void);

#endif
