/*
 * Sum a float8 column of a gstore_fdw table, in format arrow, on the GPU and in
 * place: libpq for the handle, a kernel for the sum.
 *
 * nvcc sum_column.cu -lpq; ./a.out "dbname=postgres" TABLE COLUMN
 */
#include <cuda_runtime.h>
#include <libpq-fe.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "gstore_format.h"

static void
check(bool good, const char *what)
{
	if (!good)
		exit((fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(cudaGetLastError())), 1));
}

__global__ void
sum_column(const char *image, uint32_t column, uint64_t rows, double *sum)
{
	const GstoreArrowColumn *meta = gstore_arrow_column(image, column);
	const double *values = (const double *) gstore_arrow_data(image, meta);

	for (uint64_t row = blockIdx.x * blockDim.x + threadIdx.x; row < rows; row += gridDim.x * blockDim.x)
		if (gstore_arrow_is_valid(image, meta, row))
			atomicAdd(sum, values[row]);
}

int
main(int argc, char **argv)
{
	PGconn *session = PQconnectdb(argc == 4 ? argv[1] : "");
	const char *query = "SELECT handle, device, nitems, attnum - 1 FROM gstore_export($1), "
						"jsonb_to_recordset(columns) AS c (name text, attnum int) WHERE name = $2";
	const char *names[] = {argc == 4 ? argv[2] : "", argc == 4 ? argv[3] : ""};
	PGresult *row = PQexecParams(session, query, 2, NULL, names, NULL, NULL, 0);
	cudaIpcMemHandle_t handle;
	size_t bytes;
	void *image;
	double *sum;

	check(PQntuples(row) == 1, PQerrorMessage(session));
	memcpy(&handle, PQunescapeBytea((unsigned char *) PQgetvalue(row, 0, 0), &bytes), sizeof(handle));
	check(cudaSetDevice(atoi(PQgetvalue(row, 0, 1))) == cudaSuccess, "cudaSetDevice");
	check(cudaIpcOpenMemHandle(&image, handle, cudaIpcMemLazyEnablePeerAccess) == cudaSuccess, "cudaIpcOpenMemHandle");
	check(cudaMallocManaged(&sum, sizeof(*sum)) == cudaSuccess, "cudaMallocManaged");
	*sum = 0;
	sum_column<<<256, 256>>>((const char *) image, atoi(PQgetvalue(row, 0, 3)), strtoull(PQgetvalue(row, 0, 2), NULL, 10), sum);
	check(cudaDeviceSynchronize() == cudaSuccess, "sum_column");
	printf("%.17g\n", *sum);
	cudaIpcCloseMemHandle(image); /* before the session, and with it the lease, ends */
	PQfinish(session);
	return 0;
}
