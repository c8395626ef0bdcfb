/*
 * port.h
 *	  What the rooms that include no PostgreSQL header need of C.
 *
 * codec/, the CPU engine in exec/, device/host.c, device/cuda.c, cuda/ and
 * test/unit include this instead of postgres.h.  Where both are included,
 * postgres.h comes first and its definitions stand.
 */
#ifndef GSTORE_PORT_H
#define GSTORE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef POSTGRES_H
typedef uint8_t uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef int8_t int8;
typedef int16_t int16;
typedef int32_t int32;
typedef int64_t int64;

#define Min(a, b) ((a) < (b) ? (a) : (b))
#define Max(a, b) ((a) > (b) ? (a) : (b))
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#ifdef __cplusplus
#define StaticAssertDecl(condition, message) static_assert(condition, message)
#else
#define StaticAssertDecl(condition, message) _Static_assert(condition, message)
#endif
#define likely(x) __builtin_expect((x) != 0, 1)
#define unlikely(x) __builtin_expect((x) != 0, 0)
#endif

/* Round up to a multiple of a power of two, in 64 bits. */
#define GSTORE_ALIGN(n, to) (((uint64) (n) + ((to) -1)) & ~((uint64) (to) -1))

#endif
