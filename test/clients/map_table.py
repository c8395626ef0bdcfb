#!/usr/bin/env python3
"""Map an exported image of a gstore_fdw table and print its rows as COPY does.

Usage: map_table.py host PATH OFFSET LENGTH     what gstore_export_host_file said
       map_table.py cuda HANDLE LENGTH [DEVICE] the handle in hex
       ... [--scribble]                         overwrite what was mapped
       ... [--md5]                              print the md5 of its bytes alone

The session that exported the table must stay connected meanwhile.  Columns may
be boolean, integers, float8 and text.  cuda takes the driver from libcuda.so.1
or what GSTORE_CUDA_LIBRARY names, and copies the image to the host.
"""

import ctypes
import hashlib
import mmap
import os
import struct
import sys

import check_images

check_images.run_where_modules_are()
PAGE = mmap.PAGESIZE


def map_host(path, offset, length):
    """Zero-copy: the server's memory itself."""
    file = os.open(path, os.O_RDWR)
    skip = offset % PAGE
    return memoryview(mmap.mmap(file, length + skip, offset=offset - skip))[skip:]


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_ubyte * 64)]


class Cuda:
    def __init__(self, handle, device):
        library = os.environ.get("GSTORE_CUDA_LIBRARY", "libcuda.so.1")
        self.driver = ctypes.CDLL(library)
        context, self.address = ctypes.c_void_p(), ctypes.c_uint64()
        self.call("cuInit", 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        self.call("cuIpcOpenMemHandle_v2", ctypes.byref(self.address),
                  Handle.from_buffer_copy(handle), 1)

    def call(self, name, *arguments):
        result = getattr(self.driver, name)(*arguments)
        if result != 0:
            sys.exit(f"{name}: CUresult {result}")

    def read(self, length):
        data = bytearray(length)
        target = (ctypes.c_ubyte * length).from_buffer(data)
        self.call("cuMemcpyDtoH_v2", target, self.address,
                  ctypes.c_size_t(length))
        return memoryview(data)

    def write(self, data):
        self.call("cuMemcpyHtoD_v2", self.address, bytes(data),
                  ctypes.c_size_t(len(data)))


def as_text(value):
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def pgstrom_columns(data):
    import pgstrom_reader
    form = {16: "<?", 21: "<h", 23: "<i", 20: "<q", 701: "<d"}
    for column in pgstrom_reader.Image(data).columns:
        if column.typid == 0:
            continue
        if column.attlen < 0:
            yield [None if value is None else value.decode()
                   for value in column.varlena()]
        else:
            yield [struct.unpack(form[column.typid], bytes(value))[0]
                   if valid else None for value, valid in zip(*column.fixed())]


def arrow_columns(data):
    import pyarrow
    for array in check_images.arrow_arrays(pyarrow, data):
        array.validate(full=True)
        if array.type != pyarrow.null():
            yield array.to_pylist()


def main():
    options = [a for a in sys.argv[1:] if a.startswith("--")]
    kind, *arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    if kind == "host":
        path, offset, length = arguments[0], *map(int, arguments[1:])
        data, cuda = map_host(path, offset, length), None
    else:
        cuda = Cuda(bytes.fromhex(arguments[0]), int((*arguments, 0)[2]))
        length = int(arguments[1])
        data = cuda.read(length)
    if "--scribble" in options:
        noise = bytearray(os.urandom(length))
        if cuda is None:
            data[:] = noise
        else:
            cuda.write(noise)
        return
    if "--md5" in options:
        print(hashlib.md5(data).hexdigest())
        return
    arrow = bytes(data[:8]) == b"GSTARROW"
    columns = list((arrow_columns if arrow else pgstrom_columns)(data))
    for row in zip(*columns):
        print("\t".join(map(as_text, row)))


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
