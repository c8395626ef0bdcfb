/*
 * dictionary.h
 *	  The values of a variable-length column of a builder: one after the other,
 *	  each once as long as that pays.
 *
 * Knows nothing of rows; a value's place is 1 + its offset in units of 8 bytes.
 * Repeats are looked for in a hash table until a window of values shows that
 * most are new: from then on, until the next reset, values are only copied.
 */
#ifndef GSTORE_DICTIONARY_H
#define GSTORE_DICTIONARY_H

#include "codec/codec.h"
#include "varlena.h"

/* A slot of the table that finds a value's place: place 0 = empty. */
typedef struct GstoreDictionarySlot
{
	uint32 hash;
	uint32 place;
} GstoreDictionarySlot;

typedef struct GstoreDictionary
{
	uint8 *bytes;
	uint64 used;
	uint64 room;
	GstoreDictionarySlot *slots; /* NULL until the first value */
	uint32 nslots;				 /* power of two */
	uint32 ndistinct;			 /* slots in use */
	uint32 window_seen;			 /* values of the current window */
	uint32 window_new;			 /* of them, the new ones */
	bool given_up;				 /* only copy */
} GstoreDictionary;

/* The place of a value, added if need be (*added says so); 0 when out of
 * memory.  Its stored size may not pass 1 GiB, the dictionary's 32 GiB: the
 * caller has looked.  *memory counts bytes allocated. */
extern uint32 gstore_dictionary_place(GstoreDictionary *dictionary,
									  const GstoreVarlena *value,
									  const GstoreAllocator *allocator,
									  uint64 *memory, bool *added);
/* Forget the value added last. */
extern void gstore_dictionary_undo(GstoreDictionary *dictionary, uint32 place);
/* Forget all values, keep the memory. */
extern void gstore_dictionary_reset(GstoreDictionary *dictionary);
extern void gstore_dictionary_free(GstoreDictionary *dictionary,
								   const GstoreAllocator *allocator);

#endif
