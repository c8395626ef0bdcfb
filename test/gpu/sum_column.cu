/*
 * sum_column.cu
 *	  A CUDA program like those the exported memory is made for: it opens a
 *	  handle and adds up a column where it lies, on the GPU, with nothing of the
 *	  extension but gstore_format.h.
 *
 * Usage: sum_column DEVICE HANDLE COLUMN		(handle in hex, column from 0)
 *
 * The column is of integers of 2, 4 or 8 bytes or of float8, in either format.
 * Prints how many rows are not NULL and their sum.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "gstore_format.h"

struct Sum
{
	unsigned long long rows;
	unsigned long long whole;
	double real;
};

#define CHECK(call) check(call, #call)

static void
check(cudaError_t error, const char *call)
{
	if (error == cudaSuccess)
		return;
	fprintf(stderr, "%s: %s\n", call, cudaGetErrorString(error));
	exit(1);
}

/* A row's value, if it is not NULL; letter is Arrow's for the type. */
static __device__ bool
value_at(const char *image, uint32_t column, uint64_t row, char letter,
		 long long *whole, double *real)
{
	const void *value;

	if (GSTORE_IMAGE_IS_ARROW(image))
	{
		const GstoreArrowColumn *meta = gstore_arrow_column(image, column);

		if (!gstore_arrow_is_valid(image, meta, row))
			return false;
		value = (const char *) gstore_arrow_data(image, meta) +
				row * (letter == 's' ? 2 : letter == 'i' ? 4
														 : 8);
	}
	else if ((value = gstore_pgstrom_value(image, column, row)) == nullptr)
		return false;

	*whole = 0;
	*real = 0;
	switch (letter)
	{
		case 's':
			*whole = *(const int16_t *) value;
			break;
		case 'i':
			*whole = *(const int32_t *) value;
			break;
		case 'l':
			*whole = *(const int64_t *) value;
			break;
		default:
			*real = *(const double *) value;
	}
	return true;
}

static __global__ void
add_up(const char *image, uint32_t column, uint64_t rows, char letter, Sum *sum)
{
	unsigned long long count = 0;
	long long whole_sum = 0;
	double real_sum = 0;

	for (uint64_t row = blockIdx.x * (uint64_t) blockDim.x + threadIdx.x;
		 row < rows; row += (uint64_t) gridDim.x * blockDim.x)
	{
		long long whole;
		double real;

		if (!value_at(image, column, row, letter, &whole, &real))
			continue;
		count++;
		whole_sum += whole;
		real_sum += real;
	}
	atomicAdd(&sum->rows, count);
	atomicAdd(&sum->whole, (unsigned long long) whole_sum);
	atomicAdd(&sum->real, real_sum);
}

/* Rows of the image on the device, and the column's type as Arrow's letter. */
static uint64_t
describe(const char *image, uint32_t column, char *letter)
{
	uint64_t head[8];

	CHECK(cudaMemcpy(head, image, sizeof(head), cudaMemcpyDeviceToHost));
	if (GSTORE_IMAGE_IS_ARROW(head))
	{
		GstoreArrowColumn meta;

		CHECK(cudaMemcpy(&meta, gstore_arrow_column(image, column),
						 sizeof(meta), cudaMemcpyDeviceToHost));
		*letter = meta.format[0];
		return ((const GstoreArrowHeader *) head)->rows;
	}
	GstorePgstromColumn meta;

	CHECK(cudaMemcpy(&meta, gstore_pgstrom_column(image, column), sizeof(meta),
					 cudaMemcpyDeviceToHost));
	switch (meta.atttypid)
	{
		case 21:
			*letter = 's';
			break;
		case 23:
			*letter = 'i';
			break;
		case 20:
			*letter = 'l';
			break;
		case 701:
			*letter = 'g';
			break;
		default:
			*letter = '?';
	}
	return ((const GstorePgstromHeader *) head)->nitems;
}

int
main(int argc, char **argv)
{
	cudaIpcMemHandle_t handle;
	void *image;
	Sum *sum;
	Sum result;
	char letter;
	uint64_t rows;
	uint32_t column;

	if (argc != 4 || strlen(argv[2]) != 2 * sizeof(handle))
	{
		fprintf(stderr, "usage: sum_column DEVICE HANDLE COLUMN\n");
		return 2;
	}
	column = (uint32_t) atoi(argv[3]);
	for (size_t i = 0; i < sizeof(handle); i++)
	{
		unsigned int byte = 0;

		sscanf(argv[2] + 2 * i, "%2x", &byte);
		handle.reserved[i] = (char) byte;
	}
	CHECK(cudaSetDevice(atoi(argv[1])));
	CHECK(cudaIpcOpenMemHandle(&image, handle, cudaIpcMemLazyEnablePeerAccess));
	rows = describe((const char *) image, column, &letter);
	if (strchr("silg", letter) == nullptr)
	{
		fprintf(stderr, "the column's type is not one of those\n");
		return 2;
	}
	CHECK(cudaMalloc(&sum, sizeof(*sum)));
	CHECK(cudaMemset(sum, 0, sizeof(*sum)));
	add_up<<<264, 256>>>((const char *) image, column, rows, letter, sum);
	CHECK(cudaGetLastError());
	CHECK(cudaMemcpy(&result, sum, sizeof(result), cudaMemcpyDeviceToHost));
	CHECK(cudaIpcCloseMemHandle(image));
	if (letter == 'g')
		printf("%llu %.17g\n", result.rows, result.real);
	else
		printf("%llu %lld\n", result.rows, (long long) result.whole);
	return 0;
}
