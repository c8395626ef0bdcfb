/*
 * loop.c
 *	  What the machine can do: TPC-H's Q1 and Q6 as loops written by hand over
 *	  columns like those of `bench.sh`, and how fast it reads memory.
 *
 * Usage: loop ROWS REPEAT THREADS
 * Prints a name and the milliseconds of each repetition, a line each; the line
 * "read" has GB/s instead.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long rows;
static int threads;
static int32_t *date;
static double *quantity, *price, *discount, *tax;
static int64_t *cents[4]; /* the same as integers */
static uint8_t *flag, *status;
static volatile double sink;

typedef struct Share
{
	pthread_t thread;
	long from;
	long to;
	void (*work)(struct Share *);
	double sums[6][6];
	int64_t cents[6][6];
} Share;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void
q6_float(Share *s)
{
	double sum = 0;

	for (long i = s->from; i < s->to; i++)
		if ((date[i] >= 8766) & (date[i] < 9131) & (discount[i] >= 0.05) &
			(discount[i] <= 0.07) & (quantity[i] < 24))
			sum += price[i] * discount[i];
	s->sums[0][0] = sum;
}

static void
q6_numeric(Share *s)
{
	int64_t sum = 0;

	for (long i = s->from; i < s->to; i++)
		if ((date[i] >= 8766) & (date[i] < 9131) & (cents[2][i] >= 5) &
			(cents[2][i] <= 7) & (cents[0][i] < 2400))
			sum += cents[1][i] * cents[2][i];
	s->cents[0][0] = sum;
}

static void
q1_float(Share *s)
{
	for (long i = s->from; i < s->to; i++)
		if (date[i] <= 10471)
		{
			double *sums = s->sums[flag[i] * 2 + status[i]];
			double reduced = price[i] * (1 - discount[i]);

			sums[0] += quantity[i];
			sums[1] += price[i];
			sums[2] += reduced;
			sums[3] += reduced * (1 + tax[i]);
			sums[4] += discount[i];
			sums[5] += 1;
		}
}

static void
q1_numeric(Share *s)
{
	for (long i = s->from; i < s->to; i++)
		if (date[i] <= 10471)
		{
			int64_t *sums = s->cents[flag[i] * 2 + status[i]];
			int64_t reduced = cents[1][i] * (100 - cents[2][i]);

			sums[0] += cents[0][i];
			sums[1] += cents[1][i];
			sums[2] += reduced;
			sums[3] += reduced * (100 + cents[3][i]);
			sums[4] += cents[2][i];
			sums[5] += 1;
		}
}

static void
filter(Share *s)
{
	int64_t count = 0;

	for (long i = s->from; i < s->to; i++)
		count += date[i] == 9000;
	s->cents[0][0] = count;
}

static void
read_memory(Share *s)
{
	uint64_t sum = 0;

	for (int c = 0; c < 4; c++)
		for (long i = s->from; i < s->to; i++)
			sum += (uint64_t) cents[c][i];
	s->cents[0][0] = (int64_t) sum;
}

static void *
start(void *share)
{
	((Share *) share)->work(share);
	return NULL;
}

static double
measure(void (*work)(Share *))
{
	Share *shares = calloc(threads, sizeof(Share));
	double began = now();

	for (int t = 0; t < threads; t++)
	{
		shares[t].from = rows * t / threads;
		shares[t].to = rows * (t + 1) / threads;
		shares[t].work = work;
		if (t > 0)
			pthread_create(&shares[t].thread, NULL, start, &shares[t]);
	}
	work(&shares[0]);
	for (int t = 1; t < threads; t++)
		pthread_join(shares[t].thread, NULL);
	began = now() - began;
	sink = shares[0].sums[0][0] + (double) shares[0].cents[0][0];
	free(shares);
	return began;
}

int
main(int argc, char **argv)
{
	static const struct
	{
		const char *name;
		void (*work)(Share *);
	} loops[] = {{"q1-float", q1_float}, {"q1-numeric", q1_numeric}, {"q6-float", q6_float}, {"q6-numeric", q6_numeric}, {"filter", filter}};
	int repeat = argc > 2 ? atoi(argv[2]) : 5;
	uint64_t h = 88172645463325252ULL;

	rows = argc > 1 ? atol(argv[1]) : 6000000;
	threads = argc > 3 ? atoi(argv[3]) : 1;
	date = malloc(rows * sizeof(*date));
	quantity = malloc(rows * 8);
	price = malloc(rows * 8);
	discount = malloc(rows * 8);
	tax = malloc(rows * 8);
	for (int c = 0; c < 4; c++)
		cents[c] = malloc(rows * 8);
	flag = malloc(rows);
	status = malloc(rows);
	for (long i = 0; i < rows; i++)
	{
		h ^= h << 13;
		h ^= h >> 7;
		h ^= h << 17;
		date[i] = (int32_t) (8036 + (h >> 8) % 2526);
		cents[0][i] = (int64_t) ((h >> 34) % 50 + 1) * 100;
		cents[1][i] = cents[0][i] / 100 * (int64_t) (90000 + (h >> 20) % 110001);
		cents[2][i] = (int64_t) (h >> 24) % 11;
		cents[3][i] = (int64_t) (h >> 28) % 9;
		quantity[i] = (double) cents[0][i] / 100;
		price[i] = (double) cents[1][i] / 100;
		discount[i] = (double) cents[2][i] / 100;
		tax[i] = (double) cents[3][i] / 100;
		flag[i] = (h >> 40) % 3;
		status[i] = (h >> 44) % 2;
	}
	for (size_t l = 0; l < sizeof(loops) / sizeof(loops[0]); l++)
	{
		measure(loops[l].work);
		for (int r = 0; r < repeat; r++)
			printf("%s %.3f\n", loops[l].name, measure(loops[l].work));
	}
	measure(read_memory);
	for (int r = 0; r < repeat; r++)
		printf("read %.2f\n",
			   (double) rows * 32 / measure(read_memory) / 1e6);
	return 0;
}
