#!/usr/bin/env python3
"""Sum a float8 column of a gstore_fdw table, in format arrow, with a kernel of
numba.

Usage: with_numba.py CONNINFO TABLE COLUMN      (needs numba and psycopg)
"""

import contextlib
import sys

import numpy
import psycopg
from numba import cuda

EXPORT = "SELECT handle, device, nitems, columns FROM gstore_export(%s)"


@cuda.jit
def add_up(values, validity, total):
    for row in range(cuda.grid(1), values.size, cuda.gridsize(1)):
        if validity.size == 0 or validity[row // 8] >> (row % 8) & 1:
            cuda.atomic.add(total, 0, values[row])


def main(conninfo, table, name):
    with psycopg.connect(conninfo, autocommit=True) as session, \
            contextlib.ExitStack() as opened:
        row = session.execute(EXPORT, (table,)).fetchone()
        handle, device, nitems, columns = row
        if handle is None:
            sys.exit("the table is empty")
        column = next(c for c in columns if c["name"] == name)
        if column["format"] != "g":
            sys.exit("not a column of type float8 in format arrow")
        cuda.select_device(device)

        def buffer(kind, dtype, count):
            return opened.enter_context(cuda.open_ipc_array(
                handle, (count,), dtype, offset=column[kind]["offset"]))

        values = buffer("data", numpy.float64, nitems)
        validity = cuda.to_device(numpy.empty(0, numpy.uint8))
        if "validity" in column:
            validity = buffer("validity", numpy.uint8, (nitems + 7) // 8)
        total = cuda.to_device(numpy.zeros(1))
        add_up[256, 256](values, validity, total)
        print(total.copy_to_host()[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
