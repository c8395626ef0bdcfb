/*
 * textform.h
 *	  Values that a format keeps as the text of their type (arrow.h, OUTPUT):
 *	  to that text before they are written, back from it after they are read.
 */
#ifndef GSTORE_TEXTFORM_H
#define GSTORE_TEXTFORM_H

#include "access/tupdesc.h"

typedef struct GstoreTextForm GstoreTextForm;

/* In the current memory context. */
extern GstoreTextForm *gstore_text_form(Form_pg_attribute attribute);
/* A value's text, and the value of a text; raise what the type's output and
 * input functions raise. */
extern Datum gstore_text_form_output(GstoreTextForm *form, Datum value);
extern Datum gstore_text_form_input(GstoreTextForm *form, Datum stored);

#endif
