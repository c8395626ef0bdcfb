/*
 * test_codec_corpus.c
 *	  The fuzz target on every input that test/fuzz has: what a fuzzer found
 *	  once, and how far it came, is never lost.  Run from the top of the tree.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "../fuzz/fuzz_codec.c"

#define CORPUS "test/fuzz/corpus"
#define REACHED "test/fuzz/reached"

static bool
replay(const char *folder, const char *name)
{
	char path[512];
	FILE *file;
	uint8 *bytes;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL)
		return false;
	bytes = malloc(1 << 20);
	size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	bytes = realloc(bytes, size + (size == 0));
	LLVMFuzzerTestOneInput(bytes, size);
	/* Cut short, too. */
	for (size_t cut = 0; cut < size; cut += 1 + size / 50)
		LLVMFuzzerTestOneInput(bytes, cut);
	free(bytes);
	return true;
}

int
main(void)
{
	DIR *corpus = opendir(CORPUS);
	struct dirent *entry;
	int count = 0;

	if (corpus == NULL)
	{
		tap_ok(false, "there is no " CORPUS " here");
		return tap_done();
	}
	while ((entry = readdir(corpus)) != NULL)
		if (entry->d_name[0] != '.')
		{
			count++;
			tap_ok(replay(CORPUS, entry->d_name), "%s", entry->d_name);
		}
	closedir(corpus);
	tap_ok(count >= 5, "%d inputs", count);

	corpus = opendir(REACHED);
	count = 0;
	while (corpus != NULL && (entry = readdir(corpus)) != NULL)
		if (entry->d_name[0] != '.')
			count += replay(REACHED, entry->d_name);
	if (corpus != NULL)
		closedir(corpus);
	tap_ok(count >= 100, "%d inputs that reach far", count);
	return tap_done();
}
