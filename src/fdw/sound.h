/*
 * sound.h
 *	  Values out of memory that somebody may have overwritten, checked before
 *	  PostgreSQL's functions see them.
 *
 * Images of a table that was exported in place can be written by the program
 * that mapped them, also while a query reads them.  A number is then another
 * number; but functions of types with lengths, counts or offsets inside believe
 * what they find.  So such values are copied first, and the copy is checked.
 */
#ifndef GSTORE_SOUND_H
#define GSTORE_SOUND_H

#include "codec/codec.h"
#include "compat.h"

/* How values of one type are checked. */
typedef struct GstoreSound GstoreSound;

/*
 * Can a value of the type be told from bytes that are none?  Where not, as for
 * types of other extensions, its memory must not be handed out.
 */
extern bool gstore_sound_can_tell(Oid type);

/* In the current memory context.  A type of which that cannot be told is not
 * checked. */
extern GstoreSound *gstore_sound(Oid type);

/* A copy of a value that decode gave for the view, in the current memory
 * context; false: it is none. */
extern bool gstore_sound_copy(GstoreSound *sound, const GstoreColumnView *view,
							  Datum *value);

/* Is it text, or a name, in the database's encoding?  Of a copy. */
extern bool gstore_sound_text(Datum value);
extern bool gstore_sound_name(Datum value);

/* Raise that a value of a column (NULL: not known which) is none. */
extern void gstore_sound_refuse(const char *column, const char *relname)
	pg_attribute_noreturn();

#endif
