/*
 * codec_context.c
 *	  Memory and errors of codecs; see codec_context.h.
 */
#include "postgres.h"

#include "common/pg_lzcompress.h"
#include "utils/memutils.h"

#include "store/codec_context.h"

static void *
context_alloc(void *state, size_t bytes)
{
	return MemoryContextAllocExtended(state, bytes, MCXT_ALLOC_HUGE);
}

static void *
context_resize(void *state, void *memory, size_t bytes)
{
	return memory == NULL ? context_alloc(state, bytes) : repalloc_huge(memory, bytes);
}

static void
context_free(void *state, void *memory)
{
	(void) state;
	if (memory != NULL)
		pfree(memory);
}

static int32
context_compress(const char *source, int32 length, char *target)
{
	return pglz_compress(source, length, target, PGLZ_strategy_default);
}

GstoreAllocator
gstore_context_allocator(void)
{
	GstoreAllocator allocator = {
		context_alloc, context_resize, context_free, CurrentMemoryContext,
		context_compress};

	return allocator;
}

void
gstore_codec_raise(GstoreCodecStatus status, const GstoreCodecError *error,
				   const char *relname, const GstoreSchema *schema)
{
	static const int sqlstates[] = {
		[GSTORE_CODEC_OK] = ERRCODE_INTERNAL_ERROR,
		[GSTORE_CODEC_OUT_OF_MEMORY] = ERRCODE_OUT_OF_MEMORY,
		[GSTORE_CODEC_LIMIT] = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		[GSTORE_CODEC_VALUE] = ERRCODE_INVALID_PARAMETER_VALUE,
		[GSTORE_CODEC_CORRUPT] = ERRCODE_DATA_CORRUPTED,
	};
	const char *column = error->column >= 0 && error->column < schema->ncols ? schema->columns[error->column].name : NULL;

	ereport(ERROR,
			(errcode(sqlstates[status]),
			 column != NULL ? errmsg("column \"%s\" of foreign table \"%s\": %s",
									 column, relname, error->message)
							: errmsg("foreign table \"%s\": %s", relname, error->message),
			 error->hint[0] != '\0' ? errhint("%s", error->hint) : 0));
}
