/*
 * test_pglz_server.c
 *	  The decompressor of cuda/pglz.h and the server's, linked from its library,
 *	  on the same streams: sound ones and damaged ones.
 *
 *		GSTORE_PGLZ_VALUES=1000000 build/unit/test_pglz_server
 */
#include <stdlib.h>
#include <string.h>

#include "pglz.h"
#include "rows.h"

#define LONGEST 2048

/* common/pg_lzcompress.h, which needs the server's other headers. */
typedef struct PGLZ_Strategy PGLZ_Strategy;
extern const PGLZ_Strategy *const PGLZ_strategy_always;
extern int32 pglz_compress(const char *source, int32 slen, char *dest,
						   const PGLZ_Strategy *strategy);
extern int32 pglz_decompress(const char *source, int32 slen, char *dest,
							 int32 rawsize, bool check_complete);

/* Bytes of few kinds, with runs, and repeats of what came before. */
static uint32
make_value(uint64 number, uint8 *value)
{
	uint64 random = mix(number);
	uint32 length = 1 + random % (number % 10 == 0 ? LONGEST : 300);
	uint32 kinds = 1 + (random >> 32) % 60;
	uint32 at = 0;

	while (at < length)
	{
		uint32 n = 1 + (random = mix(random)) % 40;

		for (; n > 0 && at < length; n--, at++)
			switch (random >> 60)
			{
				case 0:
				case 1:
				case 2:
					value[at] = (uint8) (random >> 8);
					break;
				case 3:
				case 4:
				case 5:
				case 6:
					value[at] = at == 0 ? 0 : value[at / 2];
					break;
				default:
					value[at] = (uint8) (mix(random + n) % kinds);
			}
	}
	return length;
}

/* Do both take the stream, and then make the same of it; or neither? */
static bool
agree(const uint8 *stream, uint32 bytes, uint32 raw, bool *taken)
{
	uint8 *copy = malloc(bytes + (bytes == 0));
	uint8 *ours = malloc(raw + 1);
	uint8 *theirs = malloc(raw + 1);
	bool good;

	memcpy(copy, stream, bytes);
	*taken = gstore_pglz_decompress(copy, bytes, ours, raw) == 0;
	good = *taken == (pglz_decompress((const char *) copy, (int32) bytes, (char *) theirs, (int32) raw, true) == (int32) raw) &&
		   (!*taken || memcmp(ours, theirs, raw) == 0);
	free(copy);
	free(ours);
	free(theirs);
	return good;
}

int
main(void)
{
	const char *wanted = getenv("GSTORE_PGLZ_VALUES");
	uint64 count = wanted != NULL ? strtoull(wanted, NULL, 10) : 20000;
	uint64 compressed = 0;
	uint64 sound = 0;
	uint64 damaged = 0;
	uint64 damaged_agree = 0;
	uint64 damaged_taken = 0;

	for (uint64 number = 0; number < count; number++)
	{
		uint8 value[LONGEST];
		uint8 stream[LONGEST + 4];
		uint8 *plain;
		uint32 length = make_value(number, value);
		int32 bytes = pglz_compress((const char *) value, (int32) length,
									(char *) stream, PGLZ_strategy_always);
		bool taken;

		if (bytes < 0)
			continue;
		compressed++;
		plain = malloc(length);
		sound += agree(stream, (uint32) bytes, length, &taken) && taken &&
				 gstore_pglz_decompress(stream, (uint32) bytes, plain,
										length) == 0 &&
				 memcmp(plain, value, length) == 0;
		free(plain);
		stream[mix(number + 1) % (uint32) bytes] ^= 1 << (number % 8);
		damaged++;
		damaged_agree += agree(stream, (uint32) bytes, length, &taken);
		damaged_taken += taken;
	}
	tap_ok(compressed > count / 2 && sound == compressed,
		   "%llu of %llu compressed values are read as the server reads them",
		   (unsigned long long) sound, (unsigned long long) compressed);
	tap_ok(damaged_agree == damaged,
		   "and %llu of %llu damaged streams, of which %llu still are values",
		   (unsigned long long) damaged_agree, (unsigned long long) damaged,
		   (unsigned long long) damaged_taken);
	return tap_done();
}
