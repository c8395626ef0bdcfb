/*
 * Sum a float8 column of a gstore_fdw table, in format arrow, out of GPU memory:
 * libpq for the handle, the CUDA driver API for the memory.
 *
 * cc sum_column.c -lpq -lcuda; ./a.out "dbname=postgres" TABLE COLUMN
 */
#include <cuda.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gstore_format.h"

static void
check(int good, const char *what)
{
	if (!good)
		exit((fprintf(stderr, "%s\n", what), 1));
}

int
main(int argc, char **argv)
{
	PGconn *session = PQconnectdb(argc == 4 ? argv[1] : "");
	const char *table = argc == 4 ? argv[2] : "";
	PGresult *row = PQexecParams(session, "SELECT handle, device, length FROM gstore_export($1)", 1, NULL, &table, NULL, NULL, 0);
	size_t length;
	CUipcMemHandle handle;
	CUdevice device;
	CUcontext context;
	CUdeviceptr memory;
	char *image;
	uint64_t rows;
	double sum = 0;

	check(PQntuples(row) == 1, PQerrorMessage(session));
	check(!PQgetisnull(row, 0, 0), "the table is empty");
	memcpy(&handle, PQunescapeBytea((unsigned char *) PQgetvalue(row, 0, 0), &length), sizeof(handle));
	length = strtoull(PQgetvalue(row, 0, 2), NULL, 10);
	check(cuInit(0) == CUDA_SUCCESS && cuDeviceGet(&device, atoi(PQgetvalue(row, 0, 1))) == CUDA_SUCCESS, "no such device");
	check(cuDevicePrimaryCtxRetain(&context, device) == CUDA_SUCCESS && cuCtxSetCurrent(context) == CUDA_SUCCESS, "no context");
	check(cuIpcOpenMemHandle(&memory, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) == CUDA_SUCCESS, "cuIpcOpenMemHandle");
	check((image = malloc(length)) != NULL && cuMemcpyDtoH(image, memory, length) == CUDA_SUCCESS, "cuMemcpyDtoH");
	rows = ((GstoreArrowHeader *) image)->rows;
	for (uint32_t i = 0; i < ((GstoreArrowHeader *) image)->ncols; i++)
	{
		const GstoreArrowColumn *column = gstore_arrow_column(image, i);

		for (uint64_t j = 0; strcmp(column->name, argv[3]) == 0 && j < rows; j++)
			if (gstore_arrow_is_valid(image, column, j))
				sum += ((const double *) gstore_arrow_data(image, column))[j];
	}
	printf("%.17g\n", sum);
	cuIpcCloseMemHandle(memory); /* before the session, and with it the lease, ends */
	PQfinish(session);
	return 0;
}
