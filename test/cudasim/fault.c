/*
 * fault.c
 *	  What goes wrong: "name=number" and "call=result" or "call@nth=result"
 *	  settings, separated by blanks or commas, of
 *	  the environment variable GSTORE_CUDASIM_FAULTS, or of the file that
 *	  GSTORE_CUDASIM_CONTROL names, which is read again whenever it changes and
 *	  then replaces them all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim.h"

static const char *const names[SIM_FAULTS] = {
	[SIM_FAULT_INIT] = "init",
	[SIM_FAULT_CONTEXT] = "context",
	[SIM_FAULT_REGISTER] = "register",
	[SIM_FAULT_ALLOC_OOM] = "alloc_oom",
	[SIM_FAULT_ALLOC_LOST] = "alloc_lost",
	[SIM_FAULT_FREE_FAIL] = "free_fail",
	[SIM_FAULT_COPY_FAIL] = "copy_fail",
	[SIM_FAULT_COPY_LOST] = "copy_lost",
	[SIM_FAULT_HOLD_COPY] = "hold_copy",
	[SIM_FAULT_EXPORT_REFUSE] = "export_refuse",
	[SIM_FAULT_OPEN_REFUSE] = "open_refuse",
	[SIM_FAULT_KERNEL_LOST] = "kernel_lost",
	[SIM_FAULT_LOST] = "lost",
	[SIM_FAULT_DELAY] = "delay",
};

static int values[SIM_FAULTS];
static uint64_t generation = 1;

/* Every call can fail. */
typedef struct CallFault
{
	const char *call;
	int nth; /* this time only, counted down; 0: each time */
	int result;
} CallFault;

#define NAME_CALL(symbol, name, version, parameters) {#symbol, 0, 0},
static CallFault calls[] = {
	GSTORE_DRIVER_CALLS(NAME_CALL)
		GSTORE_DRIVER_CLIENT_CALLS(NAME_CALL)};

static bool read_before;
static struct stat seen;

/* cuInit has a fault of its own, and the words for errors always come. */
static bool
can_fail(const char *call)
{
	return strcmp(call, "cuInit") != 0 &&
		   strncmp(call, "cuGetError", 10) != 0;
}

static void
set(const char *word)
{
	const char *equals = strchr(word, '=');

	for (int i = 0; equals != NULL && i < SIM_FAULTS; i++)
		if (strlen(names[i]) == (size_t) (equals - word) &&
			strncmp(names[i], word, equals - word) == 0)
		{
			values[i] = atoi(equals + 1);
			return;
		}

	for (size_t i = 0; equals != NULL && i < lengthof(calls); i++)
	{
		size_t length = strlen(calls[i].call);

		if (strncmp(calls[i].call, word, length) != 0 ||
			(word[length] != '=' && word[length] != '@') ||
			!can_fail(calls[i].call))
			continue;
		calls[i].nth = word[length] == '@' ? atoi(word + length + 1) : 0;
		calls[i].result = atoi(equals + 1);
		return;
	}

	/* A test that sets nothing would prove nothing. */
	fprintf(stderr, "cudasim: no such fault: %s\n", word);
	abort();
}

static void
parse(char *text)
{
	char *rest = NULL;

	generation++;
	memset(values, 0, sizeof(values));
	for (size_t i = 0; i < lengthof(calls); i++)
		calls[i].result = 0;
	for (char *word = strtok_r(text, " ,\t\n", &rest); word != NULL;
		 word = strtok_r(NULL, " ,\t\n", &rest))
		set(word);
	if (values[SIM_FAULT_LOST] > 0 &&
		values[SIM_FAULT_LOST] <= SIM_MAX_DEVICES)
		sim_lose(&sim_devices[values[SIM_FAULT_LOST] - 1],
				 CUDA_ERROR_ILLEGAL_ADDRESS);
}

static void
read_control(const char *path)
{
	char text[1024];
	size_t bytes;
	struct stat now;
	FILE *file;

	if (stat(path, &now) != 0)
		memset(&now, 0, sizeof(now));
	if (now.st_ino == seen.st_ino && now.st_size == seen.st_size &&
		now.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
		now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
		return;
	seen = now;
	file = fopen(path, "r");
	bytes = file == NULL ? 0 : fread(text, 1, sizeof(text) - 1, file);
	text[bytes] = '\0';
	if (file != NULL)
		fclose(file);
	parse(text);
}

void
sim_fault_refresh(void)
{
	const char *control = getenv("GSTORE_CUDASIM_CONTROL");
	const char *faults = getenv("GSTORE_CUDASIM_FAULTS");

	if (!read_before && faults != NULL)
	{
		char *copy = strdup(faults);

		parse(copy);
		free(copy);
	}
	read_before = true;
	if (control != NULL)
		read_control(control);
}

int
sim_fault_value(SimFault fault)
{
	return values[fault];
}

uint64_t
sim_fault_generation(void)
{
	return generation;
}

bool
sim_fault_strikes(SimFault fault)
{
	return values[fault] > 0 && --values[fault] == 0;
}

CUresult
sim_fault_of_call(const char *call)
{
	for (size_t i = 0; i < lengthof(calls); i++)
	{
		if (calls[i].result == 0 || strcmp(calls[i].call, call) != 0)
			continue;
		if (calls[i].nth == 0)
			return calls[i].result;
		if (--calls[i].nth == 0)
		{
			int result = calls[i].result;

			calls[i].result = 0;
			return result;
		}
		break;
	}
	return CUDA_SUCCESS;
}
