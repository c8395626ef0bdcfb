/*
 * guc.h
 *	  The settings gstore_fdw.*, defined in gstore_fdw.c.
 */
#ifndef GSTORE_GUC_H
#define GSTORE_GUC_H

typedef enum GstoreDeviceChoice
{
	GSTORE_CHOOSE_AUTO, /* cuda where a GPU is, else host */
	GSTORE_CHOOSE_HOST,
	GSTORE_CHOOSE_CUDA
} GstoreDeviceChoice;

extern int gstore_guc_device;			/* GstoreDeviceChoice; postmaster */
extern int gstore_guc_host_memory;		/* MB, 0: computed; postmaster */
extern int gstore_guc_staging_memory;	/* MB, cuda only; postmaster */
extern int gstore_guc_device_memory;	/* MB each GPU may hold, 0: all;
										 * postmaster */
extern int gstore_guc_chunk_size;		/* kB; user */
extern char *gstore_guc_cuda_library;	/* postmaster */
extern int gstore_guc_small_image;		/* kB; superuser, for tests */
extern char *gstore_guc_fault;			/* superuser, for tests: see fault.h */
extern int gstore_guc_host_threads;		/* user; 0: one per CPU */
extern bool gstore_guc_enable_pushdown; /* user */
extern bool gstore_guc_enable_pruning;	/* user */
extern bool gstore_guc_enable_kernels;	/* user */

extern bool gstore_guc_autocompact;		   /* sighup */
extern int gstore_guc_max_exports;		   /* of all sessions; postmaster */
extern int gstore_guc_max_session_exports; /* superuser */

/* True in processes of a server that preloaded the library. */
extern bool gstore_preloaded;

#endif
