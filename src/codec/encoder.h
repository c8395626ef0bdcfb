/*
 * encoder.h
 *	  Batches of rows into a builder, and the builder's columns into an image,
 *	  on several threads.
 *
 * One thread, the caller's, stages rows in a batch and hands it over when it is
 * full.  What is to be done then are steps: a batch is taken apart, each group of
 * columns encodes its part of it, each group writes its part of an image.  Steps of
 * different groups, and the taking apart of different batches, go on at the same
 * time; the steps of one group one after the other in the order in which they were
 * handed over, which is why an image can be written while the next batches come.
 * The caller takes steps too, where it would wait otherwise: so with no thread but
 * its own all is done by then.
 *
 * Includes no PostgreSQL header and raises nothing.  Threads are made when some
 * batches have come, have all signals blocked, and touch nothing but the encoder's
 * own memory and the image they are to write.  All encoders of a process are used by
 * one thread, and have together no more threads than one may have.  Whoever uses
 * the encoder may leave by an error between any two calls, as long as
 * gstore_encoder_destroy (or _stop) is called before the schema or that image go
 * away.
 *
 * An error in a step is met by the next call that returns a status, and by all
 * that follow: there is no telling then what the builder holds.
 */
#ifndef GSTORE_ENCODER_H
#define GSTORE_ENCODER_H

#include "codec/batch.h"
#include "codec/bounds.h"

typedef struct GstoreEncoder GstoreEncoder;

typedef struct GstoreEncoderOptions
{
	int threads;	   /* with the caller's; at least 1 */
	uint32 batch_room; /* bytes of rows of a batch */
	/* Replace a value that is in a batch's wishes, with gstore_batch_replace;
	 * called by the caller's thread, may leave by longjmp.  What compress of the
	 * allocator needs is also used by the caller's thread alone. */
	void (*prepare)(void *state, GstoreBatch *batch);
	void *prepare_state;
	int32 (*compress)(const char *source, int32 length, char *target);
} GstoreEncoderOptions;

/* NULL when out of memory.  Its memory is malloc's. */
extern GstoreEncoder *gstore_encoder_create(const GstoreCodec *codec,
											const GstoreSchema *schema,
											const GstoreEncoderOptions *options);
/* Joins the threads; steps that have not begun are not done. */
extern void gstore_encoder_destroy(GstoreEncoder *encoder);
/* Only that: from then on all calls that return a status fail. */
extern void gstore_encoder_stop(GstoreEncoder *encoder);

/* Its builder, which may be used when nothing is under way; how many rows it has
 * may be asked at any time, and counts those that were handed over. */
extern GstoreBuilder *gstore_encoder_builder(GstoreEncoder *encoder);

/* The batch to be filled; NULL: out of memory. */
extern GstoreBatch *gstore_encoder_batch(GstoreEncoder *encoder);
/* Hand it over, if there is a row in it; then there is another one. */
extern GstoreCodecStatus gstore_encoder_submit(GstoreEncoder *encoder,
											   GstoreCodecError *error);
/* Until all that was handed over is in the builder, and written. */
extern GstoreCodecStatus gstore_encoder_drain(GstoreEncoder *encoder,
											  GstoreCodecError *error);
/* Bytes the image would have now: those of the steps that are done. */
extern uint64 gstore_encoder_bytes(GstoreEncoder *encoder);

/*
 * Hand over the writing of an image, and of its columns' bounds unless that is
 * NULL (ncols for each block); nothing is under way, and the caller has asked the
 * builder how large they are.  The builder is empty for what is handed over next.
 * await: until it is written; written: is it?
 */
extern void gstore_encoder_write(GstoreEncoder *encoder, void *image,
								 GstoreBounds *bounds);
extern GstoreCodecStatus gstore_encoder_await(GstoreEncoder *encoder,
											  GstoreCodecError *error);
extern bool gstore_encoder_written(GstoreEncoder *encoder);

/* Whose value an error of class VALUE is about: the batch, and error->column and
 * row in it; NULL: that cannot be told. */
extern const GstoreBatch *gstore_encoder_failed(GstoreEncoder *encoder);

#endif
