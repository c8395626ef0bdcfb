#!/usr/bin/env python3
"""A gstore_fdw table on the host device, in format arrow, as a pyarrow.Table
without a copy; prints its schema and rows.  Runs as the server's user.

Usage: host_pyarrow.py CONNINFO TABLE           (needs pyarrow and psycopg)
"""

import sys

import psycopg
import pyarrow as pa

EXPORT = """SELECT nitems, columns, path, "offset", h.length
    FROM gstore_export(%s) e, gstore_export_host_file(e.handle) h WHERE handle IS NOT NULL"""
TYPES = {"b": pa.bool_(), "C": pa.uint8(), "s": pa.int16(), "i": pa.int32(),
         "l": pa.int64(), "f": pa.float32(), "g": pa.float64(),
         "I": pa.uint32(), "tdD": pa.date32(), "ttu": pa.time64("us"),
         "tsu:": pa.timestamp("us"), "tsu:UTC": pa.timestamp("us", "UTC"),
         "tin": pa.month_day_nano_interval(), "w:16": pa.binary(16),
         "u": pa.utf8(), "U": pa.large_utf8(),
         "z": pa.binary(), "Z": pa.large_binary()}


def array(image, column, rows):
    def buffer(kind):
        at = column.get(kind)
        return at and image.slice(at["offset"], at["length"])

    parts = column.get("children", ())
    children = [array(image, part, part["rows"]) for part in parts]
    fields = [pa.field(p["name"], c.type) for p, c in zip(parts, children)]
    form, buffers = column["format"], [buffer("validity")]
    if form in ("+l", "+L"):
        kind = (pa.list_ if form == "+l" else pa.large_list)(fields[0])
        buffers.append(buffer("offsets"))
    elif form == "+s":
        kind = pa.struct(fields)
    else:
        kind = TYPES.get(form) or pa.decimal128(*map(int, form[2:].split(",")))
        buffers += [buffer("offsets")] * (form in "uUzZ") + [buffer("data")]
    return pa.Array.from_buffers(kind, rows, buffers, column["null_count"],
                                 children=children or None)


def main(conninfo, table):
    with psycopg.connect(conninfo, autocommit=True) as session:
        nitems, columns, path, offset, length = session.execute(
            EXPORT, (table,)).fetchone() or sys.exit("the table is empty")
        file = pa.memory_map(path)
        file.seek(offset)
        image = file.read_buffer(length)
        table = pa.table([array(image, c, nitems) for c in columns],
                         [c["name"] for c in columns])
        table.validate(full=True)
        print(table.schema, *table.to_pylist(), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
