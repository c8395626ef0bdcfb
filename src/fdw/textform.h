/*
 * textform.h
 *	  Values that a format keeps as the text of their type (arrow.h, OUTPUT):
 *	  to that text before they are written, back from it after they are read.
 */
#ifndef GSTORE_TEXTFORM_H
#define GSTORE_TEXTFORM_H

typedef struct GstoreTextForm GstoreTextForm;

/* In the current memory context. */
extern GstoreTextForm *gstore_text_form(Oid type, int32 typmod);
/* A value's text, and the value of a text; raise what the type's output and
 * input functions raise. */
extern Datum gstore_text_form_output(GstoreTextForm *form, Datum value);
extern Datum gstore_text_form_input(GstoreTextForm *form, Datum stored);

/* A value for an error's detail: quoted, its beginning if it is long. */
extern char *gstore_value_text(Oid type, Datum value);

#endif
