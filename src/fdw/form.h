/*
 * form.h
 *	  Values of types whose stored form is not the type's own: kept as text
 *	  (textform.h), or as the lists and structs of codec/codec.h.
 *
 * What is stored how, the schema of the table or of the chunk says; a form
 * knows the type alone.
 */
#ifndef GSTORE_FORM_H
#define GSTORE_FORM_H

#include "store/writer.h"

typedef struct GstoreForm GstoreForm;

/* Has a column values that need a form? */
extern bool gstore_form_is_needed(uint8 arrow_kind);

/* In the current memory context. */
extern GstoreForm *gstore_form(Oid type, int32 typmod);

/* A value of a column as the codec takes it, in the current memory context.
 * Raises 22023 for an array that a list cannot hold. */
extern Datum gstore_form_store(GstoreForm *form, const GstoreTarget *target,
							   int column, Datum value);

/* A value as decode gave it for the view as the type's own, in the current
 * memory context; false: it is none, which is found only where exposed says
 * that it may be. */
extern bool gstore_form_load(GstoreForm *form, const GstoreColumnView *view,
							 bool exposed, Datum *value);

#endif
