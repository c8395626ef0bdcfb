/*
 * headroom.c
 *	  How much more memory the machine and the memory cgroups let us take.
 *
 * Asked before fallocate: a process that makes its cgroup pass the limit is
 * killed, not refused, so the kernel must never be asked for what is not
 * there.  Both cgroup versions are read, and mixed ("hybrid") set-ups, where
 * the version 2 tree exists but has no memory controller.
 *
 * This file includes no PostgreSQL header, allocates nothing and keeps no
 * state; it must never fail: what it cannot read does not limit.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "device/headroom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_LIMIT UINT64_MAX
#define MIB (UINT64_C(1) << 20)

/* Longest path we follow; longer ones do not limit. */
#define PATH_BYTES 1024

/* Read a small file as a string; false when it is not there. */
static bool
read_file(const char *path, char *text, size_t size)
{
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (have < size - 1)
	{
		ssize_t got = read(fd, text + have, size - 1 - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t) got;
	}
	close(fd);
	text[have] = '\0';
	return have > 0;
}

/* The number in file dir/name; NO_LIMIT for "max" and for no such file. */
static uint64
read_number(const char *dir, const char *name)
{
	char path[PATH_BYTES];
	char text[64];
	char *end;
	unsigned long long value;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int) sizeof(path))
		return NO_LIMIT;
	if (!read_file(path, text, sizeof(text)))
		return NO_LIMIT;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || errno != 0)
		return NO_LIMIT;
	return value;
}

/* The number after a word that opens a line; 0 when there is none. */
static uint64
number_after(const char *text, const char *word)
{
	size_t length = strlen(word);
	const char *line = text;

	while (line != NULL)
	{
		if (strncmp(line, word, length) == 0 &&
			(line[length] == ' ' || line[length] == ':'))
			return strtoull(line + length + 1, NULL, 10);
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return 0;
}

/* A sixteenth of a limit, but no more than 256 MiB, stays for the others. */
static uint64
less_reserve(uint64 free_bytes, uint64 limit)
{
	uint64 reserve = Min(limit / 16, 256 * MIB);

	return free_bytes > reserve ? free_bytes - reserve : 0;
}

static uint64
machine_headroom(const char *root)
{
	char path[PATH_BYTES];
	char text[4096];
	uint64 total;

	if (snprintf(path, sizeof(path), "%s/proc/meminfo", root) >=
		(int) sizeof(path))
		return NO_LIMIT;
	if (!read_file(path, text, sizeof(text)))
		return NO_LIMIT;
	total = number_after(text, "MemTotal") * 1024;
	if (total == 0)
		return NO_LIMIT;
	return less_reserve(number_after(text, "MemAvailable") * 1024, total);
}

/* What one cgroup leaves; NO_LIMIT when it sets no limit on memory. */
static uint64
group_headroom(const char *dir, bool version2)
{
	char path[PATH_BYTES];
	char text[8192];
	uint64 limit;
	uint64 used;
	uint64 cache = 0;

	if (version2)
	{
		uint64 high = read_number(dir, "memory.high");

		limit = read_number(dir, "memory.max");
		limit = Min(limit, high);
		used = read_number(dir, "memory.current");
	}
	else
	{
		limit = read_number(dir, "memory.limit_in_bytes");
		used = read_number(dir, "memory.usage_in_bytes");
	}

	/* Version 1 writes "no limit" as the largest multiple of a page. */
	if (limit >= (uint64) INT64_MAX / 4096 * 4096 || used == NO_LIMIT)
		return NO_LIMIT;

	/* Clean page cache is given up before anybody is killed. */
	if (snprintf(path, sizeof(path), "%s/memory.stat", dir) <
			(int) sizeof(path) &&
		read_file(path, text, sizeof(text)))
		cache = number_after(text, version2 ? "inactive_file" : "total_inactive_file");
	used = used > cache ? used - cache : 0;
	return less_reserve(limit > used ? limit - used : 0, limit);
}

/* The least of a group's headroom and that of its parents up to the mount. */
static uint64
tree_headroom(const char *mount, const char *group, bool version2)
{
	char dir[PATH_BYTES];
	size_t stop = strlen(mount);
	uint64 least = NO_LIMIT;

	if (snprintf(dir, sizeof(dir), "%s%s", mount, group) >= (int) sizeof(dir))
		return NO_LIMIT;
	for (;;)
	{
		uint64 headroom;
		char *slash;

		headroom = group_headroom(dir, version2);
		least = Min(least, headroom);
		slash = strrchr(dir, '/');
		if (slash == NULL || slash < dir + stop)
			break;
		*slash = '\0';
	}
	return least;
}

/* Our group in the tree that /proc/self/cgroup writes as ":memory:" (version
 * 1; perhaps together with other controllers) or "0::" (version 2). */
static bool
own_group(const char *table, bool version2, char *group)
{
	const char *line = table;

	while (line != NULL && *line != '\0')
	{
		const char *controllers = strchr(line, ':');
		const char *path;
		const char *end;

		if (controllers == NULL)
			break;
		controllers++;
		path = strchr(controllers, ':');
		if (path == NULL)
			break;
		end = strchr(path, '\n');
		if (end == NULL)
			end = path + strlen(path);
		if (version2 ? path == controllers : path != controllers)
		{
			bool ours = version2;
			const char *name = controllers;

			while (!ours && name < path)
			{
				size_t length = strcspn(name, ",:");

				ours = length == 6 && strncmp(name, "memory", 6) == 0;
				name += length + 1;
			}
			if (ours && (size_t) (end - path) < PATH_BYTES)
			{
				memcpy(group, path + 1, (size_t) (end - path - 1));
				group[end - path - 1] = '\0';
				return true;
			}
		}
		line = *end == '\0' ? NULL : end + 1;
	}
	return false;
}

/*
 * One line of mountinfo: what it mounts and where, when it is a cgroup tree
 * with memory.  "id parent dev ROOT POINT options [fields...] - TYPE source
 * SUPER"; POINT may be a path inside a container's view, ROOT the part of the
 * tree that is visible there.
 */
static bool
cgroup_mount(char *line, char **tree_root, char **point, bool *version2)
{
	char *dash = strstr(line, " - ");
	char *field = line;
	int i;

	if (dash == NULL)
		return false;
	if (strncmp(dash + 3, "cgroup2 ", 8) == 0)
		*version2 = true;
	else if (strncmp(dash + 3, "cgroup ", 7) == 0)
	{
		char *super = strrchr(dash + 3, ' ');
		char *name;
		char *rest = NULL;
		bool memory = false;

		for (name = strtok_r(super, " ,\n", &rest); name != NULL;
			 name = strtok_r(NULL, " ,\n", &rest))
			memory = memory || strcmp(name, "memory") == 0;
		if (!memory)
			return false;
		*version2 = false;
	}
	else
		return false;

	for (i = 0; i < 3; i++)
	{
		field = strchr(field, ' ');
		if (field == NULL)
			return false;
		field++;
	}
	*tree_root = field;
	field = strchr(field, ' ');
	if (field == NULL)
		return false;
	*field++ = '\0';
	*point = field;
	field = strchr(field, ' ');
	if (field == NULL)
		return false;
	*field = '\0';
	return true;
}

static uint64
cgroup_headroom(const char *root)
{
	char path[PATH_BYTES];
	char table[4096];
	char line[2 * PATH_BYTES];
	uint64 least = NO_LIMIT;
	FILE *mounts;

	if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >=
			(int) sizeof(path) ||
		!read_file(path, table, sizeof(table)))
		return NO_LIMIT;
	if (snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root) >=
		(int) sizeof(path))
		return NO_LIMIT;
	mounts = fopen(path, "re");
	if (mounts == NULL)
		return NO_LIMIT;

	while (fgets(line, sizeof(line), mounts) != NULL)
	{
		char mount[PATH_BYTES];
		char group[PATH_BYTES];
		char *tree_root;
		char *point;
		const char *below;
		size_t length;
		bool version2;
		uint64 headroom;

		if (!cgroup_mount(line, &tree_root, &point, &version2) ||
			!own_group(table, version2, group))
			continue;
		if (snprintf(mount, sizeof(mount), "%s%s", root, point) >=
			(int) sizeof(mount))
			continue;

		/* The mount may show only a part of the tree. */
		length = strcmp(tree_root, "/") == 0 ? 0 : strlen(tree_root);
		below = "";
		if (strncmp(group, tree_root, length) == 0)
			below = group + length;
		if (strcmp(below, "/") == 0)
			below = "";
		headroom = tree_headroom(mount, below, version2);
		least = Min(least, headroom);
	}
	fclose(mounts);
	return least;
}

uint64
gstore_headroom(const char *root)
{
	uint64 machine = machine_headroom(root);
	uint64 group = cgroup_headroom(root);

	return Min(machine, group);
}
