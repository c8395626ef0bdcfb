/*
 * test_headroom.c
 *	  What machine and cgroups leave, read from made-up /proc and /sys trees.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device/headroom.h"

#define MIB (UINT64_C(1) << 20)

static char root[] = "/tmp/gstore_headroom_XXXXXX";
static int failures;
static int tests;

static void
expect(uint64 wanted, const char *text)
{
	uint64 got = gstore_headroom(root);

	printf("%sok %d - %s\n", got == wanted ? "" : "not ", ++tests, text);
	if (got != wanted)
		printf("# wanted %llu, got %llu\n", (unsigned long long) wanted,
			   (unsigned long long) got);
	failures += got != wanted;
}

static void
put(const char *path, const char *text)
{
	char full[512];
	char *slash;
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL;
		 slash++)
	{
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "w");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
	{
		perror(full);
		exit(2);
	}
}

static void
put_mib(const char *path, uint64 mib)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long) (mib * MIB));
	put(path, text);
}

static int
remove_one(const char *path, const struct stat *status, int flag,
		   struct FTW *where)
{
	(void) status;
	(void) flag;
	(void) where;
	return remove(path);
}

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"

int
main(void)
{
	printf("1..13\n");
	if (mkdtemp(root) == NULL)
		return 2;
	expect(UINT64_MAX, "nothing to read: no limit");

	put("/proc/meminfo",
		"MemTotal:       16777216 kB\nMemFree:        100 kB\n"
		"MemAvailable:    8388608 kB\nSwapFree: 5 kB\n");
	expect((8192 - 256) * MIB, "the machine, less a reserve");

	/* version 2: a service in a slice */
	put("/proc/self/cgroup", "0::/slice/service\n");
	put("/proc/self/mountinfo", "29 23 0:25 / /proc rw - proc proc rw\n" V2_MOUNT);
	expect((8192 - 256) * MIB, "a group without files");
	put("/sys/fs/cgroup/slice/service/memory.max", "max\n");
	put_mib("/sys/fs/cgroup/slice/service/memory.current", 300);
	expect((8192 - 256) * MIB, "a group without a limit");
	put_mib("/sys/fs/cgroup/slice/service/memory.max", 1600);
	expect((1600 - 300 - 100) * MIB, "a group's limit, less a sixteenth");
	put("/sys/fs/cgroup/slice/service/memory.stat",
		"anon 1\nfile 9\ninactive_file 104857600\nactive_file 7\n");
	expect((1600 - 200 - 100) * MIB, "page cache counts as free");
	put_mib("/sys/fs/cgroup/slice/service/memory.high", 800);
	expect((800 - 200 - 50) * MIB, "memory.high throttles: it is the limit");
	put_mib("/sys/fs/cgroup/slice/memory.max", 320);
	put_mib("/sys/fs/cgroup/slice/memory.current", 250);
	expect((320 - 250 - 20) * MIB, "a parent with less");
	put_mib("/sys/fs/cgroup/slice/memory.current", 330);
	expect(0, "a parent past its limit");

	/* version 2 seen from inside a container: only its part is mounted */
	put("/proc/self/cgroup", "0::/pod/box\n");
	put("/proc/self/mountinfo",
		"30 23 0:26 /pod/box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put_mib("/sys/fs/cgroup/memory.max", 160);
	put_mib("/sys/fs/cgroup/memory.current", 60);
	expect((160 - 60 - 10) * MIB, "a mount that shows a part of the tree");

	/* version 1, with others beside it, and a version 2 tree without memory */
	put("/proc/self/cgroup", "9:name=systemd:/\n"
							 "5:memory_x,cpu:/wrong\n4:hugetlb,memory:/job\n0::/\n");
	put("/proc/self/mountinfo",
		"31 23 0:28 / /cg rw - tmpfs tmpfs rw\n"
		"35 31 0:32 / /cg/memory rw,relatime shared:9 - cgroup cgroup rw,hugetlb,memory\n"
		"41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n");
	put_mib("/cg/memory/job/memory.limit_in_bytes", 640);
	put_mib("/cg/memory/job/memory.usage_in_bytes", 140);
	put("/cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put_mib("/cg/memory/memory.usage_in_bytes", 9000);
	expect((640 - 140 - 40) * MIB, "version 1");
	put("/cg/memory/job/memory.stat",
		"inactive_file 5\ntotal_inactive_file 41943040\n");
	expect((640 - 100 - 40) * MIB, "version 1's page cache");

	put("/proc/self/cgroup", "4\nmemory\n::::\n:");
	put("/proc/self/mountinfo", " - cgroup2 \n - cgroup memory\n1 - cgroup2 x\n\n" V2_MOUNT);
	put("/proc/meminfo", "MemTotal: x\n");
	expect(UINT64_MAX, "garbage does not limit");

	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return failures == 0 ? 0 : 1;
}
