/*
 * compat.h
 *	  The differences between PostgreSQL 15, 16, 17, 18 and 19 that concern us,
 *	  and nothing else.
 */
#ifndef GSTORE_COMPAT_H
#define GSTORE_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "gstore_fdw needs PostgreSQL 15 or later"
#endif

/* Headers that other ones included before: varlena's macros until 16, EXPLAIN's
 * parts until 18. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* 18 writes pg_noreturn, and in front of the declaration. */
#if PG_VERSION_NUM >= 180000 && !defined(pg_attribute_noreturn)
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* One function for the owners of all kinds of objects since 16. */
#if PG_VERSION_NUM >= 160000
#define gstore_owns_relation(relid, role) \
	object_ownercheck(RelationRelationId, (relid), (role))
#else
#define gstore_owns_relation(relid, role) pg_class_ownercheck((relid), (role))
#endif

/* dshash_parameters got a copy function in 17. */
#if PG_VERSION_NUM >= 170000
#define GSTORE_DSHASH_COPY dshash_memcpy,
#else
#define GSTORE_DSHASH_COPY
#endif

/* CreateWaitEventSet's first argument is a resource owner since 17. */
#if PG_VERSION_NUM >= 170000
#define gstore_create_wait_event_set(nevents) \
	CreateWaitEventSet(NULL, (nevents))
#else
#define gstore_create_wait_event_set(nevents) \
	CreateWaitEventSet(CurrentMemoryContext, (nevents))
#endif

/* A process is known by its ProcNumber since 17. */
#if PG_VERSION_NUM >= 170000
#define gstore_my_procno() MyProcNumber
#else
#define gstore_my_procno() MyProc->pgprocno
#endif

/* The status of a backend by its place in the list, renamed in 16. */
#if PG_VERSION_NUM >= 160000
#define gstore_local_beentry(place) pgstat_get_local_beentry_by_index(place)
#else
#define gstore_local_beentry(place) pgstat_fetch_stat_local_beentry(place)
#endif

/* create_foreignscan_path: the clauses of a join since 17, the count of
 * disabled nodes since 18. */
#if PG_VERSION_NUM >= 180000
#define gstore_create_foreignscan_path(root, rel, target, rows, startup, \
									   total, pathkeys, outer, subpath, \
									   fdw_private) \
	create_foreignscan_path(root, rel, target, rows, 0, startup, total, \
							pathkeys, outer, subpath, NIL, fdw_private)
#elif PG_VERSION_NUM >= 170000
#define gstore_create_foreignscan_path(root, rel, target, rows, startup, \
									   total, pathkeys, outer, subpath, \
									   fdw_private) \
	create_foreignscan_path(root, rel, target, rows, startup, total, \
							pathkeys, outer, subpath, NIL, fdw_private)
#else
#define gstore_create_foreignscan_path create_foreignscan_path
#endif

/* create_foreign_upper_path: likewise. */
#if PG_VERSION_NUM >= 180000
#define gstore_create_foreign_upper_path(root, rel, target, rows, startup, \
										 total, pathkeys, outer, fdw_private) \
	create_foreign_upper_path(root, rel, target, rows, 0, startup, total, \
							  pathkeys, outer, NIL, fdw_private)
#elif PG_VERSION_NUM >= 170000
#define gstore_create_foreign_upper_path(root, rel, target, rows, startup, \
										 total, pathkeys, outer, fdw_private) \
	create_foreign_upper_path(root, rel, target, rows, startup, total, \
							  pathkeys, outer, NIL, fdw_private)
#else
#define gstore_create_foreign_upper_path create_foreign_upper_path
#endif

/* Run a plan to its end: once only is a matter of course since 18. */
#if PG_VERSION_NUM >= 180000
#define gstore_executor_run(query) ExecutorRun((query), ForwardScanDirection, 0)
#else
#define gstore_executor_run(query) \
	ExecutorRun((query), ForwardScanDirection, 0, true)
#endif

/* What is really grouped by: without redundant keys since 16. */
#if PG_VERSION_NUM >= 160000
#define gstore_group_clause(root) ((root)->processed_groupClause)
#define gstore_distinct_clause(root) ((root)->processed_distinctClause)
#else
#define gstore_group_clause(root) ((root)->parse->groupClause)
#define gstore_distinct_clause(root) ((root)->parse->distinctClause)
#endif

#endif
