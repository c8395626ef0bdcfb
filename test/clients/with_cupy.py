#!/usr/bin/env python3
"""Sum a float8 column of a gstore_fdw table, in format arrow, with CuPy.

Usage: with_cupy.py CONNINFO TABLE COLUMN       (needs cupy and psycopg)
"""

import sys

import cupy
import psycopg

EXPORT = "SELECT handle, device, nitems, length, columns FROM gstore_export(%s)"


def main(conninfo, table, name):
    with psycopg.connect(conninfo, autocommit=True) as session:
        row = session.execute(EXPORT, (table,)).fetchone()
        handle, device, nitems, length, columns = row
        if handle is None:
            sys.exit("the table is empty")
        column = next(c for c in columns if c["name"] == name)
        if column["format"] != "g":
            sys.exit("not a column of type float8 in format arrow")
        with cupy.cuda.Device(device):
            pointer = cupy.cuda.runtime.ipcOpenMemHandle(handle)
            try:
                print(float(total(pointer, length, nitems, column)))
            finally:
                cupy.cuda.runtime.ipcCloseMemHandle(pointer)


def total(pointer, length, nitems, column):
    memory = cupy.cuda.UnownedMemory(pointer, length, None)
    image = cupy.ndarray((length,), cupy.uint8,
                         cupy.cuda.MemoryPointer(memory, 0))

    def buffer(kind):
        at = column[kind]
        return image[at["offset"]:at["offset"] + at["length"]]

    values = buffer("data").view(cupy.float64)
    if "validity" in column:
        bits = cupy.unpackbits(buffer("validity"), bitorder="little")
        values = values[bits[:nitems].astype(bool)]
    return values.sum()


if __name__ == "__main__":
    main(*sys.argv[1:])
