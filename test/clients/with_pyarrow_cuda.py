#!/usr/bin/env python3
"""Sum a float8 column of a gstore_fdw table, in format arrow, with pyarrow.

Usage: with_pyarrow_cuda.py CONNINFO TABLE COLUMN

Needs psycopg and a pyarrow with CUDA (conda has one).  Its handles begin with
the size of the memory, in 8 bytes.
"""

import struct
import sys

import psycopg
import pyarrow
import pyarrow.compute
import pyarrow.cuda

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
        handle = pyarrow.cuda.IpcMemHandle.from_buffer(
            pyarrow.py_buffer(struct.pack("<q", length) + handle))
        image = pyarrow.cuda.Context(device).open_ipc_buffer(handle)

        def buffer(kind):
            if kind not in column:
                return None
            at = column[kind]
            return image.slice(at["offset"], at["length"]).copy_to_host()

        # pyarrow computes on the CPU: the column alone is copied
        values = pyarrow.Array.from_buffers(
            pyarrow.float64(), nitems, [buffer("validity"), buffer("data")],
            column["null_count"])
        print(pyarrow.compute.sum(values).as_py())
        del image


if __name__ == "__main__":
    main(*sys.argv[1:])
