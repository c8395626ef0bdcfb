/*
 * engine_groups.h
 *	  Inside the engine: a table of groups.
 *
 * A group is a record; records are numbered, and never move.
 *
 *	 head		high half: 32 bits of the keys' hash; low half: bit k set where
 *				key k is NULL.  Only where keys are hashed.
 *	 words		of the keys: the value's bits, or the bytes of a text of up to 8
 *				bytes, or the address of a longer one; of texts, of numerics and
 *				of keys that have no bit in the head one more (meta): length,
 *				scale, or GSTORE_KEY_NULL.  Equal keys have equal words.
 *	 rows		that went in
 *	 states		see GstoreStateLayout
 *
 * Where the only key is an integer and its values lie close together (wide), a
 * record's number is the value less a base, there are no head and no words, and
 * a record whose rows are 0 is no group.
 *
 * What few groups need (NULLs that were not counted, sums beyond 64 bits) is in
 * extras beside the records.
 *
 *	 engine_groups		the records, the hash table that finds them
 *	 engine_merge		tables that become one; reading it
 *	 engine_wide		integers close together
 *	 engine_shared		one table for all threads, once there are many
 *	 engine_keys		rows of a vector to numbers of groups
 *	 engine_state		states as they lie in records
 *	 engine_accumulate	rows of a vector into the states of their groups
 *	 engine_distinct	values that count once
 */
#ifndef GSTORE_ENGINE_GROUPS_H
#define GSTORE_ENGINE_GROUPS_H

#include "exec/engine_memory.h"
#include "exec/engine_vector.h"

#define GSTORE_NO_GROUP UINT32_MAX
/* Keys that have a bit in the head. */
#define GSTORE_HEAD_KEYS 32

typedef struct GstoreTextBlock GstoreTextBlock;
typedef struct GstoreDirectKeys GstoreDirectKeys;

/* Where a key's words are. */
typedef struct GstoreKeyLayout
{
	uint16 reg;
	uint8 type;	   /* GstoreType */
	bool has_meta; /* in the word after */
	uint32 word;   /* number of it, from the first key's */
} GstoreKeyLayout;

typedef enum GstoreStateForm
{
	GSTORE_FORM_NONE,	 /* a count alone */
	GSTORE_FORM_INTEGER, /* int64: sum, to which extras add; min, max, and, or */
	GSTORE_FORM_REAL,	 /* double: sum, min, max */
	GSTORE_FORM_MOMENTS, /* two doubles: sum, squared deviations */
	GSTORE_FORM_FULL	 /* a GstoreAggregateState: numerics of any scale */
} GstoreStateForm;

/* Where an aggregate's state is in a record.  Its count is a word of its own, or
 * the group's rows less those that extras say were missing. */
typedef struct GstoreStateLayout
{
	uint8 form; /* GstoreStateForm */
	bool counts;
	uint32 value; /* offset in the record */
	uint32 count; /* likewise, where it counts */
} GstoreStateLayout;

/* Of an aggregate in a group; 0 where it was never needed. */
typedef struct GstoreExtra
{
	int64 missing;	/* rows of the group that did not count; of other tables'
					 * rows that did, less than 0 */
	int64 carry;	/* times 2^64, to an integer sum */
	uint8 infinite; /* an input of a float sum was infinite */
	uint8 state;	/* an error of the accumulation itself */
} GstoreExtra;

struct GstoreGroups
{
	int nkeys;
	int naggregates;
	GstoreKeyLayout *keys;
	GstoreStateLayout *layouts;
	const GstoreProgram *program;
	const GstoreProgramAggregate *aggregates;
	const GstoreRegister *registers;
	uint64 memory_limit;
	const GstoreEngineOptions *options; /* whether to stop; or NULL */
	uint64 memory;						/* of slots and texts; records are counted by themselves */
	uint64 ngroups;						/* wide: one more than the last number that may be one */
	uint64 rows;						/* that went in since there were no groups */
	uint32 record_bytes;
	uint32 key_words;
	uint32 rows_at; /* offset in a record */
	uint8 *fresh;	/* a new record; NULL: all 0 */
	bool has_texts; /* among the keys */
	bool is_wide;
	bool stays_hashed; /* it cannot become wide */
	bool in_parts;	   /* several threads write to different records */
	GstoreSpace records;
	GstoreSpace slots; /* uint64: the hash, and number + 1 */
	GstoreSpace extras;
	uint64 mask;
	GstoreTextBlock *texts;
	GstoreDirectKeys *direct; /* NULL: keys are hashed */
	/* wide: */
	int64 base;	 /* the value of number 0, which is the group of NULL */
	uint64 from; /* numbers from here to ngroups are open */
	/* by aggregate: the groups' distinct values, keyed by theirs and the value;
	 * NULL where it is not DISTINCT, and in such a set itself */
	GstoreGroups **sets;
	GstoreEngineStatus failed; /* what accumulating could not say */
	/* of the vector being added */
	uint64 *words; /* [key_words][GSTORE_VECTOR_ROWS] */
	uint64 heads[GSTORE_VECTOR_ROWS];
	uint32 numbers[GSTORE_VECTOR_ROWS]; /* groups of the selected rows */
};

static inline uint8 *
gstore_group_record(const GstoreGroups *groups, uint64 number)
{
	return groups->records.data + number * groups->record_bytes;
}

static inline uint64 *
gstore_group_rows(const GstoreGroups *groups, uint64 number)
{
	return (uint64 *) (gstore_group_record(groups, number) + groups->rows_at);
}

static inline uint32
gstore_head_hash(uint64 head)
{
	return (uint32) (head >> 32);
}

/* ---- engine_groups.c ---- */

/* A table without aggregates if there are none, without keys likewise; of wide
 * records, for the one key that is an integer. */
extern GstoreGroups *gstore_groups_make(const GstoreProgram *program,
										const uint16 *keys, int nkeys,
										int naggregates, bool is_wide,
										uint64 memory_limit);
/* Count bytes that are about to be taken; false: they would pass the limit. */
extern bool gstore_groups_count_memory(GstoreGroups *groups, uint64 bytes,
									   GstoreEngineStatus *status);
/* A new group; GSTORE_NO_GROUP, and *status says why. */
extern uint32 gstore_group_new(GstoreGroups *groups,
							   GstoreEngineStatus *status);
/* The group of words that lie stride apart, made if there is none. */
extern uint32 gstore_group_find(GstoreGroups *groups, const uint64 *words,
								uint64 stride, uint64 head,
								GstoreEngineStatus *status);
/* Are these the words of the group?  Some of them are texts. */
extern bool gstore_group_has_texts(const GstoreGroups *groups, uint32 number,
								   const uint64 *words, uint64 stride);
/* Bring the slots and records of a batch of heads closer. */
#define GSTORE_PREFETCH_ROWS 128
extern void gstore_groups_prefetch(const GstoreGroups *groups,
								   const uint64 *heads, int n);
/* Head of words that lie stride apart, of the keys' first nkeys. */
extern uint64 gstore_group_head(const GstoreGroups *groups, int nkeys,
								const uint64 *words, uint64 stride,
								uint32 nulls);
/* The first number from one on that is a group; false: there is none. */
extern bool gstore_groups_next(const GstoreGroups *groups, uint64 *number);
/* Keys of a group as hashed records have them: words has room for key_words. */
extern uint64 gstore_group_words(const GstoreGroups *groups, uint64 number,
								 uint64 *words);
/* Some of another table's groups into this one.  Not from sets. */
extern GstoreEngineStatus gstore_groups_take(GstoreGroups *groups,
											 const GstoreGroups *other,
											 const uint32 *numbers, int n);
/* All of them.  Polls where there are options. */
extern GstoreEngineStatus
gstore_groups_take_all(GstoreGroups *groups, const GstoreGroups *other,
					   const GstoreEngineOptions *options);
/* Take the place of another table, which goes. */
extern void gstore_groups_replace(GstoreGroups *groups, GstoreGroups *by);

static inline bool
gstore_group_is(const GstoreGroups *groups, uint32 number, const uint64 *words,
				uint64 stride, uint64 head)
{
	const uint64 *own = (const uint64 *) gstore_group_record(groups, number);
	uint64 differing = *own++ ^ head;

	if (groups->has_texts)
		return differing == 0 &&
			   gstore_group_has_texts(groups, number, words, stride);
	for (uint32 i = 0; i < groups->key_words; i++, words += stride)
		differing |= own[i] ^ *words;
	return differing == 0;
}

/* ---- engine_wide.c ---- */

/* Address space for the records; false: there is none. */
extern bool gstore_wide_reserve(GstoreGroups *groups);
/* Can a table of one key of this type be wide? */
extern bool gstore_wide_supports(const GstoreGroups *groups);
/* Make it wide, if the values of a vector are close enough to each other and to
 * those of its groups. */
extern GstoreEngineStatus gstore_wide_try(GstoreGroups *groups,
										  const GstoreMachine *machine,
										  const uint16 *selection, int n);
/* Fill in numbers.  The table may be hashed afterwards: *left, and nothing was
 * filled in. */
extern GstoreEngineStatus gstore_wide_number(GstoreGroups *groups,
											 const GstoreMachine *machine,
											 const uint16 *selection, int n,
											 uint8 *error, bool *left);
/* Hash its keys from now on. */
extern GstoreEngineStatus gstore_wide_leave(GstoreGroups *groups);
/* Room for another wide table's values in this one; false: too far apart. */
extern bool gstore_wide_join(GstoreGroups *groups, const GstoreGroups *other);
/* The other table's groups whose numbers here are in [from, to) into these;
 * after join.  Others may do so with other numbers at the same time. */
extern void gstore_wide_merge(GstoreGroups *groups, const GstoreGroups *other,
							  uint64 from, uint64 to);

/* ---- engine_keys.c ---- */

/* NULL: the keys are not of types that have few values. */
extern GstoreDirectKeys *gstore_direct_keys_create(const GstoreGroups *groups);
extern void gstore_direct_keys_destroy(GstoreDirectKeys *direct);
/* Fill in words and heads; *error is the state of a row whose key is an error. */
extern GstoreEngineStatus gstore_groups_hash(GstoreGroups *groups,
											 const GstoreMachine *machine,
											 const uint16 *selection, int n,
											 uint8 *error);
/* Fill in numbers; *error is the state of a row whose key is an error. */
extern GstoreEngineStatus gstore_groups_number(GstoreGroups *groups,
											   const GstoreMachine *machine,
											   const uint16 *selection, int n,
											   uint8 *error);
/* The key as programs' callers know it, from its words. */
extern void gstore_group_key(const GstoreGroups *groups, int key,
							 const uint64 *words, uint64 head,
							 GstoreGroupKey *to);

/* ---- engine_state.c ---- */

/* Lay out the states behind the keys, and make what new records hold; false: out
 * of memory. */
extern bool gstore_states_lay_out(GstoreGroups *groups, uint32 offset);
/* An aggregate's extra, to be written; NULL, and groups->failed says why. */
extern GstoreExtra *gstore_group_extra(GstoreGroups *groups, uint64 number,
									   int index);
extern void gstore_state_get(const GstoreGroups *groups, uint64 number,
							 int index, GstoreAggregateState *to);
/* Another state into a group's; counted: rows of it that are among the group's
 * already. */
extern void gstore_state_put(GstoreGroups *groups, uint64 number, int index,
							 const GstoreAggregateState *from, int64 counted);
/* All of another table's group into one of this. */
extern void gstore_group_merge(GstoreGroups *groups, uint64 number,
							   const GstoreGroups *other, uint64 from);
/* One value: a key as gstore_group_key gives it.  Where it counts by itself. */
extern void gstore_state_add(GstoreGroups *groups, uint64 number, int index,
							 const GstoreGroupKey *value);

/* What was never written is 0. */
static inline const GstoreExtra *
gstore_group_has_extra(const GstoreGroups *groups, uint64 number, int index)
{
	uint64 at = (number * groups->naggregates + index) * sizeof(GstoreExtra);

	return at + sizeof(GstoreExtra) > groups->extras.bytes
			   ? NULL
			   : (const GstoreExtra *) (groups->extras.data + at);
}

/* ---- engine_accumulate.c ---- */

/* The rows into the states of numbers, or of group 0 where there are no keys;
 * an error state of a row, or 0. */
extern uint8 gstore_groups_accumulate(GstoreGroups *groups,
									  const GstoreMachine *machine,
									  const uint16 *selection, int n);
/* Count the rows of the vector. */
extern void gstore_groups_count(GstoreGroups *groups, const uint32 *numbers,
								int n);
/* One value, numeric or float, into a state of its own. */
extern void gstore_state_add_numeric(GstoreAggregateState *state, int kind,
									 const GstoreNumeric *value);
extern bool gstore_keeps_real(int kind, double value, double kept);

/* ---- engine_distinct.c ---- */

/* Make the sets; false: out of memory. */
extern bool gstore_distinct_create(GstoreGroups *groups,
								   const GstoreProgram *program);
extern void gstore_distinct_destroy(GstoreGroups *groups);
/* The values of the rows into the sets; *error as in gstore_groups_add. */
extern GstoreEngineStatus gstore_distinct_add(GstoreGroups *groups,
											  const GstoreMachine *machine,
											  const uint16 *selection, int n,
											  uint8 *error);
/* Each value of the sets into its group's state, once. */
extern GstoreEngineStatus
gstore_distinct_finish(GstoreGroups *groups, const GstoreEngineOptions *options);

#endif
