#!/usr/bin/env python3
"""Map an exported image of a gstore_fdw table and print its rows as COPY does.

Usage: map_table.py host PATH OFFSET LENGTH     what gstore_export_host_file said
       map_table.py cuda HANDLE LENGTH [DEVICE] the handle in hex
       ... [--scribble]                         overwrite what was mapped
       ... [--md5]                              print the md5 of its bytes alone

The session that exported the table must stay connected meanwhile.  A table of
format pgstrom with arrays, enums, domains, composites or ranges needs
--types=FILE, with the answer of postgres_text.CATALOGUE_QUERY.  cuda takes the
driver from libcuda.so.1 or what GSTORE_CUDA_LIBRARY names, and copies the image
to the host.
"""

import ctypes
import hashlib
import json
import mmap
import os
import sys

import check_images

check_images.run_where_modules_are()

try:
    import postgres_text  # noqa: E402
except ImportError:
    # no numpy: --md5 does without
    postgres_text = None

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

    def close(self):
        self.call("cuIpcCloseMemHandle", self.address)

    def write(self, data):
        self.call("cuMemcpyHtoD_v2", self.address, bytes(data),
                  ctypes.c_size_t(len(data)))


def copied(texts):
    """A row as COPY writes it."""
    return "\t".join("\\N" if text is None else text.translate(ESCAPES)
                     for text in texts)


ESCAPES = str.maketrans({"\\": "\\\\", "\b": "\\b", "\f": "\\f",
                         "\n": "\\n", "\r": "\\r", "\t": "\\t",
                         "\v": "\\v"})


def pgstrom_columns(data, types, raw=False):
    """Texts of each column, or with raw the values' bytes in hex; None for a
    column whose type the reader does not know."""
    import pgstrom_reader
    for column in pgstrom_reader.Image(data).columns:
        if column.typid == 0:
            continue
        decode = (lambda data: bytes(data).hex()) if raw \
            else types.decoder(column.typid)
        if decode is None:
            yield None
        elif column.attlen < 0:
            seen = {}
            texts = []
            for value in column.varlena():
                if value is not None and value not in seen:
                    seen[value] = decode(value)
                texts.append(None if value is None else seen[value])
            yield texts
        else:
            yield [decode(value.tobytes()) if valid else None
                   for value, valid in zip(*column.fixed())]


# What of pyarrow's values is a text of PostgreSQL's, by Arrow's type.
def arrow_text(pyarrow, kind):
    is_ = pyarrow.types
    if is_.is_boolean(kind) or is_.is_uint8(kind):
        return lambda value: "t" if value else "f"
    if is_.is_float32(kind):
        return postgres_text.float4_text
    if is_.is_float64(kind):
        return postgres_text.float8_text
    if is_.is_date32(kind):
        return lambda value: postgres_text.date_text(value - 10957)
    if is_.is_time(kind):
        return postgres_text.clock_text
    if is_.is_timestamp(kind):
        zone = "+00" if kind.tz else ""
        return lambda value: postgres_text.timestamp_text(
            value - 10957 * postgres_text.DAY, zone)
    if is_.is_interval(kind):
        return lambda value: postgres_text.interval_text(
            value.nanoseconds // 1000, value.days, value.months)
    if is_.is_decimal(kind):
        return lambda value: f"{value:f}"
    if is_.is_fixed_size_binary(kind):
        return postgres_text.uuid_text
    if is_.is_binary(kind) or is_.is_large_binary(kind):
        return lambda value: "\\x" + value.hex()
    return str


def arrow_texts(pyarrow, array, delimiter):
    """The text of each row of an array, lists and structs included."""
    kind = array.type
    if check_images.is_list(pyarrow, kind):
        items = arrow_texts(pyarrow, array.values, ",")
        ends = array.offsets.to_pylist()
        texts = [postgres_text.array_text(items[a:b], delimiter)
                 for a, b in zip(ends, ends[1:])]
    elif pyarrow.types.is_struct(kind):
        fields = [arrow_texts(pyarrow, array.field(i), ",")
                  for i in range(kind.num_fields)]
        texts = [postgres_text.record_text(row) for row in zip(*fields)]
    else:
        decode = arrow_text(pyarrow, kind)
        return [None if value is None else decode(value)
                for value in check_images.numbers(pyarrow, array)]
    return [text if valid else None
            for text, valid in zip(texts, array.is_valid().to_pylist())]


def arrow_columns(data, types):
    import pyarrow
    for typid, array in zip(check_images.arrow_typids(data),
                            check_images.arrow_arrays(pyarrow, data)):
        array.validate(full=True)
        if array.type != pyarrow.null():
            yield arrow_texts(pyarrow, array, types.delimiter(typid))


def columns_of(data, types):
    """Texts of each column, whatever the image's format."""
    arrow = bytes(data[:8]) == b"GSTARROW"
    return list((arrow_columns if arrow else pgstrom_columns)(data, types))


def map_image(kind, *arguments):
    """What a table's export said, as bytes."""
    if kind == "host":
        path, offset, length = arguments
        return map_host(path, int(offset), int(length))
    handle, length, *device = arguments
    cuda = Cuda(bytes.fromhex(handle), int(device[0] if device else 0))
    data = cuda.read(int(length))
    cuda.close()
    return data


def main():
    options = [a for a in sys.argv[1:] if a.startswith("--")]
    kind, *arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    catalogue = None
    for option in options:
        if option.startswith("--types="):
            catalogue = json.loads(open(option[8:]).read())
    if "--scribble" in options:
        if kind == "host":
            data = map_image(kind, *arguments)
            data[:] = os.urandom(len(data))
        else:
            Cuda(bytes.fromhex(arguments[0]), int((*arguments, 0)[2])).write(
                os.urandom(int(arguments[1])))
        return
    data = map_image(kind, *arguments)
    if "--md5" in options:
        print(hashlib.md5(data).hexdigest())
        return
    for row in zip(*columns_of(data, postgres_text.Types(catalogue))):
        print(copied(row))


if __name__ == "__main__":
    main()
