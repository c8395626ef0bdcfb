/*
 * dictionary.c
 *	  Storing values once; see dictionary.h.
 */
#include <string.h>

#include "codec/dictionary.h"

/* Values are judged by so many at a time, and are too many when so many of them
 * are new: some thousand values that come again and again are nearly all new at
 * first. */
#define WINDOW 4096
#define MOST_NEW (WINDOW / 4 * 3)

/* Places tried before a value counts as new: bounds what values that were
 * chosen to collide can cost. */
#define MAX_PROBES 64

static inline uint64
read_word(const uint8 *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* For this table only: never stored. */
static inline uint32
hash_value(const uint8 *bytes, size_t length)
{
	const uint64 factor = UINT64_C(0x9E3779B97F4A7C15);
	uint64 hash = length * factor;

	for (; length >= 8; bytes += 8, length -= 8)
	{
		hash = (hash ^ read_word(bytes)) * factor;
		hash ^= hash >> 32;
	}
	if (length > 0)
	{
		uint64 word = 0;

		memcpy(&word, bytes, length);
		hash = (hash ^ word) * factor;
		hash ^= hash >> 32;
	}
	return (uint32) (hash ^ (hash >> 17));
}

/* Twice as many slots. */
static bool
grow_slots(GstoreDictionary *dictionary, const GstoreAllocator *allocator,
		   uint64 *memory)
{
	uint32 nslots = dictionary->nslots == 0 ? 256 : dictionary->nslots * 2;
	size_t bytes = nslots * sizeof(GstoreDictionarySlot);
	GstoreDictionarySlot *slots = allocator->alloc(allocator->state, bytes);

	if (slots == NULL)
		return false;
	memset(slots, 0, bytes);
	for (uint32 i = 0; i < dictionary->nslots; i++)
	{
		GstoreDictionarySlot slot = dictionary->slots[i];
		uint32 at = slot.hash & (nslots - 1);

		if (slot.place == 0)
			continue;
		while (slots[at].place != 0)
			at = (at + 1) & (nslots - 1);
		slots[at] = slot;
	}
	if (dictionary->slots != NULL)
		allocator->free(allocator->state, dictionary->slots);
	*memory += bytes - dictionary->nslots * sizeof(GstoreDictionarySlot);
	dictionary->slots = slots;
	dictionary->nslots = nslots;
	return true;
}

/* Most values are short. */
static inline bool
same_bytes(const uint8 *a, const uint8 *b, size_t length)
{
	size_t at = 0;

	if (length > 32)
		return memcmp(a, b, length) == 0;
	for (; at + 8 <= length; at += 8)
		if (read_word(a + at) != read_word(b + at))
			return false;
	for (; at < length; at++)
		if (a[at] != b[at])
			return false;
	return true;
}

/* The place of an equal value, or 0 with *slot where it belongs (NULL: nowhere
 * near). */
static uint32
find_value(const GstoreDictionary *dictionary, const GstoreVarlena *value,
		   uint32 hash, GstoreDictionarySlot **slot)
{
	uint32 mask = dictionary->nslots - 1;
	uint32 at = hash & mask;

	for (int probe = 0; probe < MAX_PROBES; probe++, at = (at + 1) & mask)
	{
		const uint8 *other;

		*slot = &dictionary->slots[at];
		if ((*slot)->place == 0)
			return 0;
		if ((*slot)->hash != hash)
			continue;
		other = dictionary->bytes + (uint64) ((*slot)->place - 1) * 8;
		if (memcmp(other, &value->header, 4) == 0 &&
			same_bytes(other + 4, value->body, value->body_bytes))
			return (*slot)->place;
	}
	*slot = NULL;
	return 0;
}

/* Does looking for repeats still pay? */
static void
judge(GstoreDictionary *dictionary)
{
	if (dictionary->window_new > MOST_NEW)
		dictionary->given_up = true;
	dictionary->window_seen = 0;
	dictionary->window_new = 0;
}

static uint32
add_value(GstoreDictionary *dictionary, const GstoreVarlena *value,
		  const GstoreAllocator *allocator, uint64 *memory)
{
	uint64 bytes = GSTORE_ALIGN((uint64) value->body_bytes + 4, 8);
	uint64 end = dictionary->used + bytes;
	uint32 place = (uint32) (dictionary->used / 8) + 1;
	uint8 *target;

	if (unlikely(end > dictionary->room))
	{
		uint64 room = Max(end, Max(dictionary->room + dictionary->room / 2,
								   1024));
		uint8 *grown = allocator->resize(allocator->state, dictionary->bytes,
										 room);

		if (grown == NULL)
			return 0;
		*memory += room - dictionary->room;
		dictionary->bytes = grown;
		dictionary->room = room;
	}
	target = dictionary->bytes + dictionary->used;
	memset(target + bytes - 8, 0, 8);
	memcpy(target, &value->header, 4);
	memcpy(target + 4, value->body, value->body_bytes);
	dictionary->used = end;
	return place;
}

uint32
gstore_dictionary_place(GstoreDictionary *dictionary,
						const GstoreVarlena *value,
						const GstoreAllocator *allocator, uint64 *memory,
						bool *added)
{
	GstoreDictionarySlot *slot;
	uint32 hash;
	uint32 place;

	if (dictionary->given_up)
	{
		*added = true;
		return add_value(dictionary, value, allocator, memory);
	}
	if (unlikely(dictionary->ndistinct * 2 >= dictionary->nslots) &&
		!grow_slots(dictionary, allocator, memory))
		return 0;
	hash = hash_value(value->body, value->body_bytes);
	place = find_value(dictionary, value, hash, &slot);
	*added = place == 0;
	if (place == 0)
	{
		place = add_value(dictionary, value, allocator, memory);
		if (place == 0)
			return 0;
		if (slot != NULL)
		{
			slot->hash = hash;
			slot->place = place;
			dictionary->ndistinct++;
		}
		dictionary->window_new++;
	}
	if (++dictionary->window_seen >= WINDOW)
		judge(dictionary);
	return place;
}

void
gstore_dictionary_undo(GstoreDictionary *dictionary, uint32 place)
{
	const uint8 *bytes = dictionary->bytes + (uint64) (place - 1) * 8;
	GstoreVarlena value = gstore_varlena(bytes);

	dictionary->used = (uint64) (place - 1) * 8;
	if (dictionary->nslots == 0)
		return;

	/* It was added last, so nothing was put behind its slot because of it. */
	for (uint32 at = hash_value(value.body, value.body_bytes), probe = 0;
		 probe < MAX_PROBES; at++, probe++)
	{
		GstoreDictionarySlot *slot =
			&dictionary->slots[at & (dictionary->nslots - 1)];

		if (slot->place == place)
		{
			slot->place = 0;
			dictionary->ndistinct--;
			return;
		}
	}
}

void
gstore_dictionary_reset(GstoreDictionary *dictionary)
{
	dictionary->used = 0;
	dictionary->ndistinct = 0;
	dictionary->window_seen = 0;
	dictionary->window_new = 0;
	dictionary->given_up = false;
	if (dictionary->slots != NULL)
		memset(dictionary->slots, 0,
			   dictionary->nslots * sizeof(GstoreDictionarySlot));
}

void
gstore_dictionary_free(GstoreDictionary *dictionary,
					   const GstoreAllocator *allocator)
{
	if (dictionary->bytes != NULL)
		allocator->free(allocator->state, dictionary->bytes);
	if (dictionary->slots != NULL)
		allocator->free(allocator->state, dictionary->slots);
}
