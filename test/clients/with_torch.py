#!/usr/bin/env python3
"""Fit a line through two float8 columns of a gstore_fdw table, in format arrow
and without NULLs, with PyTorch: CuPy opens the memory, DLPack hands it over.

Usage: with_torch.py CONNINFO TABLE X Y         (needs torch, cupy, psycopg)
"""

import sys

import cupy
import psycopg
import torch

EXPORT = "SELECT handle, device, nitems, length, columns FROM gstore_export(%s)"


def tensor(pointer, length, column):
    """A column as a tensor that is the table's memory."""
    if column["format"] != "g" or column["null_count"] > 0:
        sys.exit(f"column {column['name']} is not float8 or has NULLs")
    at = column["data"]
    memory = cupy.cuda.UnownedMemory(pointer, length, None)
    array = cupy.ndarray((at["length"] // 8,), cupy.float64,
                         cupy.cuda.MemoryPointer(memory, at["offset"]))
    return torch.from_dlpack(array)


def main(conninfo, table, x_name, y_name):
    with psycopg.connect(conninfo, autocommit=True) as session:
        row = session.execute(EXPORT, (table,)).fetchone()
        handle, device, nitems, length, columns = row
        if handle is None:
            sys.exit("the table is empty")
        by_name = {column["name"]: column for column in columns}
        with cupy.cuda.Device(device):
            pointer = cupy.cuda.runtime.ipcOpenMemHandle(handle)
            x = tensor(pointer, length, by_name[x_name])
            y = tensor(pointer, length, by_name[y_name])
            slope = ((x - x.mean()) * (y - y.mean())).sum()
            slope = (slope / ((x - x.mean()) ** 2).sum()).item()
            print(slope, (y.mean() - slope * x.mean()).item())
            del x, y
            cupy.cuda.runtime.ipcCloseMemHandle(pointer)


if __name__ == "__main__":
    main(*sys.argv[1:])
