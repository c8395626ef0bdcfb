/*
 * engine_program.h
 *	  Building programs, for the compiler of expressions and for tests.
 *
 * Instructions and constants that are there already are used again: a program
 * computes nothing twice.  Once something failed (out of memory, too many
 * registers) everything does, and finish returns NULL.
 */
#ifndef GSTORE_ENGINE_PROGRAM_H
#define GSTORE_ENGINE_PROGRAM_H

#include "codec/codec.h"

#include "program.h"

typedef struct GstoreProgramBuilder GstoreProgramBuilder;

extern GstoreProgramBuilder *gstore_program_begin(const GstoreAllocator *allocator);
/* Frees the builder; programs it finished stay. */
extern void gstore_program_end(GstoreProgramBuilder *builder);

/* The register a column is loaded to. */
extern uint16 gstore_program_column(GstoreProgramBuilder *builder,
									int16 attnum, GstoreType type);
/* A constant; value is as in a register, text by pointer. */
extern uint16 gstore_program_constant(GstoreProgramBuilder *builder,
									  GstoreType type, uint8 state,
									  const void *value);
/* The register an operator writes to; unused operands are 0. */
extern uint16 gstore_program_operator(GstoreProgramBuilder *builder,
									  GstoreOpcode opcode, uint16 a, uint16 b,
									  uint16 c);
/* The scale of a register that is a DECIMAL. */
extern void gstore_program_set_scale(GstoreProgramBuilder *builder, uint16 reg,
									 uint8 scale);
/* All since the last conjunct, or the start, decides on rows by this. */
extern void gstore_program_filter(GstoreProgramBuilder *builder,
								  uint16 result);
extern void gstore_program_key(GstoreProgramBuilder *builder, uint16 key);
/* What is accumulated: the number of its state, new or not. */
extern uint16 gstore_program_aggregate(GstoreProgramBuilder *builder,
									   GstoreAggregateKind kind,
									   uint16 argument, uint16 filter,
									   bool distinct);
/* The program, one block of the allocator's; NULL when it failed. */
extern GstoreProgram *gstore_program_finish(GstoreProgramBuilder *builder);

/* Does a program compute with DECIMALs? */
extern bool gstore_program_is_narrow(const GstoreProgram *program);

/* Argument types of an operator, -1 for an operand it has not; of strict ones
 * only. */
extern int gstore_opcode_argument(GstoreOpcode opcode, int argument);
/* Result type of any operator whose operand b is of type b. */
extern GstoreType gstore_opcode_result(GstoreOpcode opcode, GstoreType b);

#endif
