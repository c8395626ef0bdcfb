#!/usr/bin/env python3
"""Sum a float8 column of a gstore_fdw table, in format arrow, with pylibcudf,
whose columns lie in memory as Arrow's do.

Usage: with_pylibcudf.py CONNINFO TABLE COLUMN  (needs pylibcudf, cupy, psycopg)
"""

import sys

import cupy
import psycopg
import pylibcudf

EXPORT = "SELECT handle, device, nitems, length, columns FROM gstore_export(%s)"


def cudf_column(pointer, length, nitems, column):
    """A column that is the table's memory."""
    memory = cupy.cuda.UnownedMemory(pointer, length, None)

    def buffer(kind):
        if kind not in column:
            return None
        array = cupy.ndarray(
            (column[kind]["length"],), cupy.uint8,
            cupy.cuda.MemoryPointer(memory, column[kind]["offset"]))
        return pylibcudf.gpumemoryview(array)

    kind = pylibcudf.DataType(pylibcudf.TypeId.FLOAT64)
    return pylibcudf.Column(kind, nitems, buffer("data"), buffer("validity"),
                            column["null_count"], 0, [])


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
            values = cudf_column(pointer, length, nitems, column)
            total = pylibcudf.reduce.reduce(
                values, pylibcudf.aggregation.sum(), values.type())
            print(total.to_py())
            cupy.cuda.runtime.ipcCloseMemHandle(pointer)


if __name__ == "__main__":
    main(*sys.argv[1:])
