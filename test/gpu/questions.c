/*
 * questions.c
 *	  What a CUDA driver does where its documentation leaves it open, and where
 *	  the extension depends on the answer: asked of the driver at hand, printed
 *	  as a table in Markdown.
 *
 * Usage: questions [LIBRARY]		(default: libcuda.so.1)
 *
 * The process that asks never calls the driver itself.  It starts agents,
 * processes that do what they are told in lines on their standard input and
 * answer in lines, so that one which crashes, hangs or must be killed is an
 * answer like any other.  Run by root, the question about another user is asked
 * too.  Exit status 1 if an answer is one the extension cannot live with.
 *
 * Must be of no use to the extension: what is found here goes into its design
 * by hand.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device/driver.h"

#define MIB ((size_t) 1 << 20)
#define ANSWER_SECONDS 60
#define LINE_BYTES 512

static const char *library = "libcuda.so.1";

/* ---- agents: the driver's side ---- */

#define DECLARE(symbol, name, version, parameters) \
	static CUresult(*symbol##_) parameters;
GSTORE_DRIVER_CALLS(DECLARE)
GSTORE_DRIVER_CLIENT_CALLS(DECLARE)
static CUresult (*driver_version)(int *version);
static CUcontext context;

static double
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void
look_up(void)
{
	void *handle = dlopen(library, RTLD_NOW);

	if (handle == NULL)
	{
		printf("-1 %s\n", dlerror());
		exit(1);
	}
#define LOOK_UP(symbol, name, version, parameters) \
	*(void **) &symbol##_ = dlsym(handle, #symbol);
	GSTORE_DRIVER_CALLS(LOOK_UP)
	GSTORE_DRIVER_CLIENT_CALLS(LOOK_UP)
	*(void **) &driver_version = dlsym(handle, "cuDriverGetVersion");
}

static void
from_hex(CUipcMemHandle *handle, const char *hex)
{
	for (int i = 0; i < 64; i++)
	{
		unsigned int byte = 0;

		sscanf(hex + 2 * i, "%2x", &byte);
		handle->reserved[i] = (char) byte;
	}
}

/* Threads of this process, and those of them that take SIGTERM. */
static void
count_threads(int *threads, int *open_to_signals)
{
	char command[128];
	char line[64];
	FILE *pipe;

	*threads = *open_to_signals = 0;
	snprintf(command, sizeof(command),
			 "grep -h ^SigBlk /proc/%d/task/*/status", (int) getpid());
	pipe = popen(command, "r");
	while (pipe != NULL && fgets(line, sizeof(line), pipe) != NULL)
	{
		unsigned long long blocked = strtoull(line + 7, NULL, 16);

		++*threads;
		*open_to_signals += (blocked >> (SIGTERM - 1) & 1) == 0;
	}
	if (pipe != NULL)
		pclose(pipe);
}

static void
do_init(void)
{
	int version = 0;
	int count = 0;
	char name[128] = "";
	double start = now_us();
	double initialized;
	CUdevice device = 0;
	CUresult result = cuInit_(0);

	initialized = now_us();
	if (result == CUDA_SUCCESS)
		result = cuDeviceGetCount_(&count);
	if (result == CUDA_SUCCESS)
		result = cuDeviceGet_(&device, 0);
	if (result == CUDA_SUCCESS)
		result = cuDeviceGetName_(name, sizeof(name), device);
	if (result == CUDA_SUCCESS)
		result = cuDevicePrimaryCtxRetain_(&context, device);
	if (result == CUDA_SUCCESS)
		result = cuCtxSetCurrent_(context);
	if (driver_version != NULL)
		driver_version(&version);
	printf("%d %.0f %.0f %d %d %s\n", result, initialized - start,
		   now_us() - initialized, count, version, name);
}

static void
do_register(size_t bytes)
{
	int fd = memfd_create("questions", MFD_CLOEXEC);
	char *memory = MAP_FAILED;
	double start;
	double registered;
	CUdeviceptr address = 0;
	CUstream stream;
	CUresult result;

	if (fd >= 0 && ftruncate(fd, bytes) == 0)
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED)
	{
		printf("-1 %s\n", strerror(errno));
		return;
	}
	start = now_us();
	result = cuMemHostRegister_v2_(memory, bytes, CU_MEMHOSTREGISTER_PORTABLE);
	registered = now_us() - start;
	if (result == CUDA_SUCCESS)
		result = cuMemAlloc_v2_(&address, bytes);
	if (result == CUDA_SUCCESS)
		result = cuStreamCreate_(&stream, CU_STREAM_NON_BLOCKING);
	for (int i = 0; i < 2 && result == CUDA_SUCCESS; i++)
	{
		start = now_us();
		result = cuMemcpyHtoDAsync_v2_(address, memory, bytes, stream);
		while (result == CUDA_SUCCESS &&
			   (result = cuStreamQuery_(stream)) == CUDA_ERROR_NOT_READY)
			result = CUDA_SUCCESS;
	}
	printf("%d %.0f %.0f\n", result, registered, now_us() - start);
	cuMemFree_v2_(address);
}

/* What another thread frees, and how long that took. */
typedef struct Free
{
	CUdeviceptr address;
	double us;
} Free;

static void *
free_it(void *argument)
{
	Free *wanted = argument;
	double start = now_us();

	cuCtxSetCurrent_(context);
	cuMemFree_v2_(wanted->address);
	wanted->us = now_us() - start;
	return NULL;
}

/* Queue long work on one stream, have a thread free memory that it does not
 * use, and measure what other calls take meanwhile: microseconds of the free, of
 * an allocation, of a copy on another stream, and of the work. */
static void
do_busy(void)
{
	const size_t bytes = 256 * MIB;
	double start;
	double times[3] = {0};
	int copies = 1;
	struct timespec moment = {0, 2000000};
	CUdeviceptr work = 0;
	CUdeviceptr other = 0;
	CUdeviceptr fresh = 0;
	Free unused = {0, 0};
	CUstream slow;
	CUstream quick;
	pthread_t thread;
	CUresult result = cuMemAlloc_v2_(&work, bytes);

	if (result == CUDA_SUCCESS)
		result = cuMemAlloc_v2_(&other, 2 * MIB);
	if (result == CUDA_SUCCESS)
		result = cuMemAlloc_v2_(&unused.address, 2 * MIB);
	if (result == CUDA_SUCCESS)
		result = cuStreamCreate_(&slow, CU_STREAM_NON_BLOCKING);
	if (result == CUDA_SUCCESS)
		result = cuStreamCreate_(&quick, CU_STREAM_NON_BLOCKING);

	/* One copy to know what it takes, then enough for a quarter of a second. */
	start = now_us();
	for (int i = 0; i < copies && result == CUDA_SUCCESS; i++)
	{
		result = cuMemcpyDtoDAsync_v2_(work, work + bytes / 2, bytes / 2, slow);
		while (i == 0 && result == CUDA_SUCCESS &&
			   cuStreamQuery_(slow) == CUDA_ERROR_NOT_READY)
			;
		if (i == 0)
			copies = (int) (250000 / (now_us() - start + 1)) + 2;
	}
	if (result != CUDA_SUCCESS ||
		pthread_create(&thread, NULL, free_it, &unused) != 0)
	{
		printf("%d\n", result == CUDA_SUCCESS ? -1 : (int) result);
		return;
	}
	nanosleep(&moment, NULL);
	times[0] = now_us();
	result = cuMemAlloc_v2_(&fresh, 2 * MIB);
	times[0] = now_us() - times[0];
	times[1] = now_us();
	cuMemsetD8Async_(other, 1, 2 * MIB, quick);
	while (cuStreamQuery_(quick) == CUDA_ERROR_NOT_READY)
		nanosleep(&(struct timespec){0, 20000}, NULL);
	times[1] = now_us() - times[1];
	while (cuStreamQuery_(slow) == CUDA_ERROR_NOT_READY)
		nanosleep(&(struct timespec){0, 20000}, NULL);
	times[2] = now_us() - start;
	pthread_join(thread, NULL);
	printf("%d %.0f %.0f %.0f %.0f\n", result, unused.us, times[0], times[1],
		   times[2]);
	cuMemFree_v2_(fresh);
	cuMemFree_v2_(other);
	cuMemFree_v2_(work);
}

static void
do_fork(void)
{
	int pipes[2];
	int result = -1;
	int count;
	pid_t child;

	if (pipe(pipes) != 0 || (child = fork()) < 0)
	{
		printf("-1 fork\n");
		return;
	}
	if (child == 0)
	{
		alarm(10);
		result = cuDeviceGetCount_(&count);
		_exit(write(pipes[1], &result, sizeof(result)) < 0);
	}
	close(pipes[1]);
	if (read(pipes[0], &result, sizeof(result)) != sizeof(result))
		result = -1;
	close(pipes[0]);
	waitpid(child, NULL, 0);
	printf("%d\n", result);
}

/* Obey one line: what was asked, and an address, a number or a handle. */
static void
obey(const char *line)
{
	char verb[16] = "";
	char hex[160] = "";
	unsigned long long first = 0;
	unsigned long long second = 0;
	CUdeviceptr address = 0;
	CUipcMemHandle handle;
	size_t bytes = 0;
	size_t total = 0;
	int threads;
	int waiting;
	double start = now_us();
	CUresult result;

	sscanf(line, "%15s %159s", verb, hex);
	sscanf(line, "%*s %llu %llu", &first, &second);
	if (strcmp(verb, "init") == 0)
		do_init();
	else if (strcmp(verb, "alloc") == 0)
	{
		result = cuMemAlloc_v2_(&address, first);
		printf("%d %llu %.0f\n", result, address, now_us() - start);
	}
	else if (strcmp(verb, "free") == 0)
	{
		result = cuMemFree_v2_(first);
		printf("%d %.0f\n", result, now_us() - start);
	}
	else if (strcmp(verb, "write") == 0)
		printf("%d\n", cuMemcpyHtoD_v2_(first, &second, sizeof(second)));
	else if (strcmp(verb, "read") == 0)
	{
		result = cuMemcpyDtoH_v2_(&second, first, sizeof(second));
		printf("%d %llu\n", result, result == CUDA_SUCCESS ? second : 0);
	}
	else if (strcmp(verb, "handle") == 0)
	{
		memset(&handle, 0, sizeof(handle));
		printf("%d ", cuIpcGetMemHandle_(&handle, first));
		for (int i = 0; i < 64; i++)
			printf("%02x", (unsigned char) handle.reserved[i]);
		putchar('\n');
	}
	else if (strcmp(verb, "open") == 0)
	{
		from_hex(&handle, hex);
		result = cuIpcOpenMemHandle_v2_(&address, handle,
										CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
		printf("%d %llu %.0f\n", result, address, now_us() - start);
	}
	else if (strcmp(verb, "close") == 0)
	{
		result = cuIpcCloseMemHandle_(first);
		printf("%d %.0f\n", result, now_us() - start);
	}
	else if (strcmp(verb, "range") == 0)
	{
		result = cuMemGetAddressRange_v2_(&address, &bytes, first);
		printf("%d %llu %zu\n", result, first - address, bytes);
	}
	else if (strcmp(verb, "memory") == 0)
	{
		result = cuMemGetInfo_v2_(&bytes, &total);
		printf("%d %zu %zu\n", result, bytes, total);
	}
	else if (strcmp(verb, "threads") == 0)
	{
		count_threads(&threads, &waiting);
		printf("0 %d %d\n", threads, waiting);
	}
	else if (strcmp(verb, "register") == 0)
		do_register(first);
	else if (strcmp(verb, "busy") == 0)
		do_busy();
	else if (strcmp(verb, "fork") == 0)
		do_fork();
	else
		printf("-1 what is \"%s\"?\n", verb);
}

static int
be_agent(const char *user)
{
	char line[LINE_BYTES];
	const struct passwd *entry = user[0] == '\0' ? NULL : getpwnam(user);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (user[0] != '\0' &&
		(entry == NULL || setgid(entry->pw_gid) != 0 ||
		 setuid(entry->pw_uid) != 0))
	{
		printf("-1 there is no user %s to become\n", user);
		return 1;
	}
	look_up();
	while (fgets(line, sizeof(line), stdin) != NULL)
		obey(line);
	return 0;
}

/* ---- agents: the side that asks ---- */

typedef struct Agent
{
	pid_t pid;
	FILE *to;
	int from;
	char death[64]; /* how it ended; empty: it lives */
} Agent;

typedef struct Answer
{
	int code; /* a CUresult; -1: see text */
	unsigned long long first;
	unsigned long long second;
	char text[LINE_BYTES];
} Answer;

static int unbearable = 0;

static void start_as(Agent *agent, const char *user);

static void
start(Agent *agent)
{
	start_as(agent, "");
}

static void
start_as(Agent *agent, const char *user)
{
	int to[2];
	int from[2];

	memset(agent, 0, sizeof(*agent));
	if (pipe(to) != 0 || pipe(from) != 0 || (agent->pid = fork()) < 0)
	{
		perror("questions");
		exit(2);
	}
	if (agent->pid == 0)
	{
		dup2(to[0], 0);
		dup2(from[1], 1);

		/* No agent keeps another one's pipes open. */
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		execl("/proc/self/exe", "questions", "--agent", user, library,
			  (char *) NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	agent->to = fdopen(to[1], "w");
	agent->from = from[0];
}

/* Wait for its end, and note how it came. */
static void
bury(Agent *agent, const char *why)
{
	int status = 0;

	fclose(agent->to);
	close(agent->from);
	waitpid(agent->pid, &status, 0);
	if (why != NULL)
		snprintf(agent->death, sizeof(agent->death), "%s", why);
	else if (WIFSIGNALED(status))
		snprintf(agent->death, sizeof(agent->death), "killed by signal %d",
				 WTERMSIG(status));
	else
		snprintf(agent->death, sizeof(agent->death), "exited with status %d",
				 WEXITSTATUS(status));
}

static void
end(Agent *agent)
{
	if (agent->death[0] == '\0')
		bury(agent, "ended");
}

static void
kill_now(Agent *agent)
{
	if (agent->death[0] != '\0')
		return;
	kill(agent->pid, SIGKILL);
	bury(agent, "killed");
}

/* Tell an agent something and return what it says. */
static Answer
ask(Agent *agent, const char *format, ...)
{
	Answer answer = {.code = -1};
	struct pollfd ready = {.fd = agent->from, .events = POLLIN};
	size_t bytes = 0;
	va_list arguments;

	if (agent->death[0] == '\0')
	{
		va_start(arguments, format);
		vfprintf(agent->to, format, arguments);
		va_end(arguments);
		fputc('\n', agent->to);
		fflush(agent->to);
	}
	while (agent->death[0] == '\0' && bytes < sizeof(answer.text) - 1)
	{
		if (poll(&ready, 1, ANSWER_SECONDS * 1000) <= 0)
		{
			kill(agent->pid, SIGKILL);
			bury(agent, "no answer for a minute");
		}
		else if (read(agent->from, &answer.text[bytes], 1) != 1)
			bury(agent, NULL);
		else if (answer.text[bytes] == '\n')
			break;
		else
			bytes++;
	}
	answer.text[bytes] = '\0';
	if (agent->death[0] != '\0')
	{
		snprintf(answer.text, sizeof(answer.text), "%s", agent->death);
		return answer;
	}
	sscanf(answer.text, "%d %llu %llu", &answer.code, &answer.first,
		   &answer.second);
	return answer;
}

/* A code's name, or what became of the agent.  The static buffers are good for
 * a few calls in one expression. */
static const char *
said(const Answer *answer)
{
	static char buffers[8][LINE_BYTES];
	static int turn = 0;
	char *buffer = buffers[turn++ % 8];

#define NAME(symbol, value) \
	if (answer->code == (value)) \
		return #symbol;
	GSTORE_DRIVER_RESULTS(NAME)
	if (answer->code >= 0)
		snprintf(buffer, LINE_BYTES, "%d", answer->code);
	else
		snprintf(buffer, LINE_BYTES, "%s", answer->text);
	return buffer;
}

static void
row(const char *question, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
row(const char *question, const char *format, ...)
{
	va_list arguments;

	printf("| %s | ", question);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	puts(" |");
	fflush(stdout);
}

/* An answer the extension cannot live with. */
static void
must(bool good, const char *what)
{
	if (good)
		return;
	unbearable++;
	row("**the extension cannot live with this**", "%s", what);
}

/* ---- the questions ---- */

/* An agent with a context. */
static void
start_ready(Agent *agent)
{
	Answer answer;

	start(agent);
	answer = ask(agent, "init");
	if (answer.code != CUDA_SUCCESS)
	{
		row("opening the device", "%s", said(&answer));
		exit(1);
	}
}

/* Memory of so many bytes, the first 8 of them value, and its handle. */
static Answer
export_memory(Agent *agent, size_t bytes, unsigned long long value,
			  unsigned long long *address, char *hex)
{
	Answer answer = ask(agent, "alloc %zu", bytes);

	*address = answer.first;
	hex[0] = '\0';
	if (answer.code != CUDA_SUCCESS)
		return answer;
	answer = ask(agent, "write %llu %llu", *address, value);
	if (answer.code == CUDA_SUCCESS)
		answer = ask(agent, "handle %llu", *address);
	if (answer.code == CUDA_SUCCESS)
		sscanf(answer.text, "%*d %159s", hex);
	return answer;
}

static void
ask_about_contexts(void)
{
	Agent one;
	Agent other;
	Answer answer;
	Answer before;
	int version = 0;
	int count = 0;
	char name[256] = "";
	long long init = 0;
	long long retain = 0;

	start(&one);
	answer = ask(&one, "init");
	sscanf(answer.text, "%*d %lld %lld %d %d %255[^\n]", &init, &retain, &count,
		   &version, name);
	row("device and driver", "%s; %d of them; CUDA %d.%d", name, count,
		version / 1000, version % 1000 / 10);
	if (answer.code != CUDA_SUCCESS)
	{
		row("opening it", "%s", said(&answer));
		exit(1);
	}
	row("time of cuInit, and of the primary context", "%lld ms, %lld ms",
		init / 1000, retain / 1000);
	answer = ask(&one, "threads");
	row("threads the driver made, and of those how many take signals",
		"%lld, %lld", (long long) answer.first - 1,
		(long long) answer.second - 1);
	before = ask(&one, "memory");
	start_ready(&other);
	answer = ask(&one, "memory");
	row("device memory of one more context", "%lld MiB of %lld",
		((long long) before.first - (long long) answer.first) / (long long) MIB,
		(long long) (answer.second / MIB));
	answer = ask(&other, "fork");
	row("a call of the driver in a child after fork()", "%s", said(&answer));
	end(&other);
	before = ask(&one, "memory");
	row("and when that process has ended, it is given back",
		before.first > answer.first ? "yes" : "no");
	answer = ask(&one, "register %zu", 256 * MIB);
	row("page-locking 256 MiB of a memfd mapped shared, and copying them after",
		"%s: %llu ms, %.1f GB/s", said(&answer), answer.first / 1000,
		answer.second == 0 ? 0.0 : 256.0 * MIB / answer.second / 1e3);
	must(answer.code == CUDA_SUCCESS, "the staging area is such a mapping");
	end(&one);
}

static void
ask_about_allocations(void)
{
	static const size_t sizes[] = {4096, 2 * MIB, 256 * MIB};
	Agent one;
	Agent other;
	Answer first;
	Answer second;
	Answer answer;
	unsigned long long address;
	char hex[160];

	start_ready(&one);
	for (int i = 0; i < 3; i++)
	{
		char question[96];

		first = ask(&one, "alloc %zu", sizes[i]);
		snprintf(question, sizeof(question),
				 "cuMemAlloc and cuMemFree of %zu KiB", sizes[i] / 1024);
		if (first.code != CUDA_SUCCESS)
		{
			row(question, "%s", said(&first));
			continue;
		}
		answer = ask(&one, "free %llu", first.first);
		row(question, "%llu us, %llu us", first.second, answer.first);
	}
	answer = ask(&one, "busy");
	if (answer.code == CUDA_SUCCESS)
	{
		double times[4] = {0};

		sscanf(answer.text, "%*d %lf %lf %lf %lf", &times[0], &times[1],
			   &times[2], &times[3]);
		row("while long work runs on a stream: a free of other memory takes",
			"%.1f ms, of %.1f ms of work", times[0] / 1e3, times[3] / 1e3);
		row("meanwhile an allocation in another thread, and a fill on another stream",
			"%.1f ms, %.1f ms", times[1] / 1e3, times[2] / 1e3);
	}
	else
		row("while long work runs on a stream", "%s", said(&answer));
	first = ask(&one, "alloc %d", 4096);
	second = ask(&one, "alloc %d", 4096);
	if (first.code == CUDA_SUCCESS && second.code == CUDA_SUCCESS)
	{
		ask(&one, "write %llu 111", first.first);
		ask(&one, "write %llu 222", second.first);
		answer = ask(&one, "handle %llu", first.first);
		sscanf(answer.text, "%*d %159s", hex);
		start_ready(&other);
		answer = ask(&other, "open %s", hex);
		address = answer.first;
		answer = ask(&other, "read %llu", address + (second.first - first.first));
		row("through the handle of 4 KiB, the 4 KiB allocated next are",
			answer.code == CUDA_SUCCESS && answer.second == 0 &&
					answer.first == 222
				? "there to be read"
				: "not seen (%s, %llu)",
			said(&answer), answer.first);
		answer = ask(&other, "range %llu", address);
		row("the range of what was opened", "%llu bytes, opened %llu bytes into it",
			answer.second, answer.first);
		end(&other);
	}
	answer = export_memory(&one, 2 * MIB, 333, &address, hex);
	start_ready(&other);
	answer = ask(&other, "open %s", hex);
	answer = ask(&other, "range %llu", answer.first);
	row("the range of 2 MiB that were opened", "%s: %llu bytes, opened %llu bytes into it",
		said(&answer), answer.second, answer.first);
	must(answer.code == CUDA_SUCCESS, "how much memory a handle names is asked this way");
	end(&other);
	end(&one);
}

static void
ask_about_opening(void)
{
	Agent exporter;
	Agent importer;
	Answer answer;
	Answer again;
	unsigned long long address;
	char hex[160];

	start_ready(&exporter);
	answer = export_memory(&exporter, 64 * MIB, 4711, &address, hex);
	row("a handle of 64 MiB", "%s", said(&answer));
	answer = ask(&exporter, "open %s", hex);
	row("opened by the process that has it", "%s", said(&answer));

	start_ready(&importer);
	answer = ask(&importer, "open %s", hex);
	row("opened by another process", "%s in %llu us", said(&answer),
		answer.second);
	must(answer.code == CUDA_SUCCESS, "nothing can be shared");
	again = ask(&importer, "read %llu", answer.first);
	row("what it reads", "%s", again.first == 4711 ? "what was written" : said(&again));
	again = ask(&importer, "open %s", hex);
	row("opened once more by that process", "%s%s", said(&again),
		again.code != CUDA_SUCCESS	  ? ""
		: again.first == answer.first ? ", at the same address"
									  : ", at another address");
	again = ask(&importer, "close %llu", answer.first);
	row("closed once", "%s in %llu us", said(&again), again.first);
	again = ask(&importer, "read %llu", answer.first);
	row("read after that", "%s", said(&again));
	again = ask(&importer, "close %llu", answer.first);
	row("closed twice", "%s", said(&again));
	again = ask(&importer, "close %llu", answer.first);
	row("closed three times, of two opens", "%s", said(&again));
	again = ask(&importer, "memory");
	row("the context of who did that", "%s", said(&again));
	end(&importer);

	if (geteuid() == 0)
	{
		start_as(&importer, "nobody");
		answer = ask(&importer, "init");
		if (answer.code == CUDA_SUCCESS)
			answer = ask(&importer, "open %s", hex);
		row("opened by a process of another user (root's, by nobody)", "%s",
			said(&answer));
		end(&importer);
		start_as(&exporter, "nobody");
		answer = ask(&exporter, "init");
		if (answer.code == CUDA_SUCCESS)
			answer = export_memory(&exporter, 2 * MIB, 1, &address, hex);
		start_ready(&importer);
		if (answer.code == CUDA_SUCCESS)
			answer = ask(&importer, "open %s", hex);
		row("likewise nobody's, by root", "%s", said(&answer));
		end(&importer);
	}
	end(&exporter);
}

/* Try what is no handle, each in a process of its own, and say what the driver
 * said, whether the process lived, and whether its context did. */
static void
ask_about_garbage(void)
{
	static const struct
	{
		const char *name;
		int from;
		int to;
		unsigned char mask;
	} changes[] = {
		{"a handle with its first byte changed", 0, 1, 0x01},
		{"with its first 8 bytes inverted", 0, 8, 0xff},
		{"with bytes 8 to 15 inverted", 8, 16, 0xff},
		{"with bytes 16 to 31 inverted", 16, 32, 0xff},
		{"with bytes 32 to 47 inverted", 32, 48, 0xff},
		{"with bytes 48 to 63 inverted", 48, 64, 0xff},
		{"with all bytes inverted", 0, 64, 0xff},
	};
	Agent exporter;
	Agent importer;
	Answer answer;
	Answer after;
	unsigned long long address;
	char good[160];
	char hex[160];
	int crashed = 0;
	int dead = 0;
	int believed = 0;

	start_ready(&exporter);
	export_memory(&exporter, 2 * MIB, 5, &address, good);
	start_ready(&importer);
	for (int i = -3; i < (int) lengthof(changes) + 64 * 8; i++)
	{
		const char *name = "a single bit changed";

		snprintf(hex, sizeof(hex), "%s", good);
		for (int byte = 0; byte < 64; byte++)
		{
			unsigned int value = 0;

			sscanf(good + 2 * byte, "%2x", &value);
			if (i == -3)
				value = 0, name = "64 zeros for a handle";
			else if (i == -2)
				value = 0xff, name = "64 times 0xFF";
			else if (i == -1)
				value = rand() & 0xff, name = "64 random bytes";
			else if (i < (int) lengthof(changes))
			{
				name = changes[i].name;
				if (byte >= changes[i].from && byte < changes[i].to)
					value ^= changes[i].mask;
			}
			else if (byte == (i - (int) lengthof(changes)) / 8)
				value ^= 1 << (i - (int) lengthof(changes)) % 8;
			snprintf(hex + 2 * byte, 3, "%02x", value);
		}
		answer = ask(&importer, "open %s", hex);
		after = ask(&importer, "memory");
		if (i < (int) lengthof(changes))
			row(name, "%s; its context after: %s", said(&answer), said(&after));
		crashed += answer.code == -1;
		if (answer.code == CUDA_SUCCESS)
		{
			believed++;
			ask(&importer, "close %llu", answer.first);
		}
		dead += answer.code != -1 && after.code != CUDA_SUCCESS;
		if (after.code != CUDA_SUCCESS)
		{
			end(&importer);
			start_ready(&importer);
		}
	}
	row("all 512 handles with a single bit changed, and those above",
		"%d were opened all the same, %d crashed or hung the process, %d killed its context",
		believed, crashed, dead);
	must(crashed == 0 && dead == 0,
		 "a handle given to lo_import_gpu could take the server's devices down");
	end(&importer);
	answer = ask(&exporter, "memory");
	row("the exporter's context after all this", "%s", said(&answer));

	start_ready(&importer);
	answer = ask(&exporter, "free %llu", address);
	answer = ask(&importer, "open %s", good);
	after = ask(&importer, "memory");
	row("a handle of memory that was freed", "%s; its context after: %s",
		said(&answer), said(&after));
	end(&importer);

	export_memory(&exporter, 2 * MIB, 5, &address, good);
	end(&exporter);
	start_ready(&importer);
	answer = ask(&importer, "open %s", good);
	after = ask(&importer, "memory");
	row("a handle of a process that has ended", "%s; its context after: %s",
		said(&answer), said(&after));
	must(answer.code != -1 && after.code == CUDA_SUCCESS,
		 "an exporter that ends takes importers with it");
	end(&importer);
}

static void
ask_about_ends(void)
{
	Agent exporter;
	Agent importer;
	Answer answer;
	Answer after;
	Answer before;
	unsigned long long address;
	unsigned long long mapped;
	char hex[160];

	/* killed under an importer */
	start_ready(&importer);
	before = ask(&importer, "memory");
	start_ready(&exporter);
	export_memory(&exporter, 1024 * MIB, 6, &address, hex);
	answer = ask(&importer, "open %s", hex);
	mapped = answer.first;
	kill_now(&exporter);
	answer = ask(&importer, "read %llu", mapped);
	after = ask(&importer, "alloc %zu", 2 * MIB);
	row("the exporter is killed: the importer reads", "%s, %s; allocates: %s",
		said(&answer), answer.first == 6 ? "the old bytes" : "other bytes",
		said(&after));
	must(after.code == CUDA_SUCCESS, "a server that dies takes its clients' contexts along");
	after = ask(&importer, "memory");
	row("of its 1024 MiB, still taken while they are mapped", "%lld MiB",
		((long long) before.first - (long long) after.first) / (long long) MIB);
	answer = ask(&importer, "close %llu", mapped);
	after = ask(&importer, "memory");
	row("and after the importer closed them", "%s, %lld MiB", said(&answer),
		((long long) before.first - (long long) after.first) / (long long) MIB);
	end(&importer);

	/* an importer killed */
	start_ready(&exporter);
	export_memory(&exporter, 2 * MIB, 7, &address, hex);
	start_ready(&importer);
	ask(&importer, "open %s", hex);
	kill_now(&importer);
	answer = ask(&exporter, "read %llu", address);
	after = ask(&exporter, "free %llu", address);
	row("the importer is killed: the exporter reads, and frees", "%s, %s",
		said(&answer), said(&after));
	must(answer.code == CUDA_SUCCESS && after.code == CUDA_SUCCESS,
		 "a client that dies takes the server's context along");

	/* freed while it is mapped */
	export_memory(&exporter, 64 * MIB, 8, &address, hex);
	start_ready(&importer);
	answer = ask(&importer, "open %s", hex);
	mapped = answer.first;
	before = ask(&exporter, "memory");
	answer = ask(&exporter, "free %llu", address);
	after = ask(&exporter, "memory");
	row("memory is freed while another process maps it",
		"%s in %llu us, %lld of its 64 MiB are free at once", said(&answer),
		answer.first,
		((long long) after.first - (long long) before.first) / (long long) MIB);
	answer = ask(&importer, "read %llu", mapped);
	row("then that process reads", "%s, %s", said(&answer),
		answer.code == CUDA_SUCCESS && answer.first == 8 ? "the old bytes" : "other bytes");
	export_memory(&exporter, 64 * MIB, 9, &address, hex);
	answer = ask(&importer, "read %llu", mapped);
	row("and once as much has been allocated anew", "%s, %s", said(&answer),
		answer.code != CUDA_SUCCESS || answer.first == 8 ? "not what was written there"
		: answer.first == 9								 ? "**what was written there**"
														 : "other bytes");
	answer = ask(&importer, "close %llu", mapped);
	after = ask(&exporter, "memory");
	row("and it closes what is gone", "%s; the exporter's context: %s",
		said(&answer), said(&after));
	must(after.code == CUDA_SUCCESS, "a client that closes late kills the server's context");
	end(&importer);
	end(&exporter);
}

int
main(int argc, char **argv)
{
	/* An agent that died must not take the questions along. */
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && strcmp(argv[1], "--agent") == 0)
	{
		library = argv[3];
		return be_agent(argv[2]);
	}
	if (argc > 1)
		library = argv[1];
	puts("| asked | answer |\n|---|---|");
	ask_about_contexts();
	ask_about_allocations();
	ask_about_opening();
	ask_about_garbage();
	ask_about_ends();
	return unbearable > 0;
}
