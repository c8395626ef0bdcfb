#!/usr/bin/env python3
"""Sum a float8 column of a gstore_fdw table on the host device, with NumPy and
without a copy, whatever its format.

Usage: host_numpy.py CONNINFO TABLE COLUMN      (needs numpy and psycopg)

Runs on the server's machine, as the server's user.
"""

import mmap
import os
import sys

import numpy
import psycopg

EXPORT = """SELECT nitems, columns, path, "offset", h.length
    FROM gstore_export(%s) e, gstore_export_host_file(e.handle) h
    WHERE handle IS NOT NULL"""


def map_image(path, offset, length):
    """The image, read only: the server's memory itself."""
    skip = offset % mmap.ALLOCATIONGRANULARITY
    file = os.open(path, os.O_RDONLY)
    memory = mmap.mmap(file, length + skip, prot=mmap.PROT_READ,
                       offset=offset - skip)
    os.close(file)
    return numpy.frombuffer(memory, numpy.uint8, length, skip)


def main(conninfo, table, name):
    with psycopg.connect(conninfo, autocommit=True) as session:
        row = session.execute(EXPORT, (table,)).fetchone()
        if row is None:
            sys.exit("the table is empty")
        nitems, columns, *where = row
        column = next(c for c in columns if c["name"] == name)
        if column["type"] != "double precision":
            sys.exit("not a column of type float8")
        image = map_image(*where)

        def buffer(kind):
            at = column[kind]
            return image[at["offset"]:at["offset"] + at["length"]]

        values = numpy.zeros(0)  # of a pgstrom column that is all NULL
        if "data" in column:
            values = buffer("data").view(numpy.float64)[:nitems]
        if "validity" in column:
            bits = numpy.unpackbits(buffer("validity"), bitorder="little")
            values = values[bits[:nitems].astype(bool)]
        print(repr(float(values.sum())))


if __name__ == "__main__":
    main(*sys.argv[1:])
