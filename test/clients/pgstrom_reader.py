"""A reader of images of format pgstrom, independent of the extension.

Written from include/gstore_format.h and the layout's description alone; numpy
is all it needs.  Image(bytes) gives, column by column, what a program that
maps exported memory finds: raw values and which rows are NULL.

    image = Image(open("image", "rb").read())
    for column in image.columns:
        values, valid = column.fixed()      # or column.varlena()
"""

import struct

import numpy as np

HEADER = struct.Struct("<QIIIIBBBBIiIIIII")
COLUMN = struct.Struct("<BBhhhIiII")


class Damaged(Exception):
    """The image contradicts itself."""


def align(n, to):
    return (n + to - 1) // to * to


def pglz_decompress(stream, size):
    """The plain bytes of a pglz stream that holds size of them."""
    out = bytearray()
    at = 0
    while at < len(stream) and len(out) < size:
        control = stream[at]
        at += 1
        for bit in range(8):
            if at >= len(stream) or len(out) >= size:
                break
            if not control >> bit & 1:
                out.append(stream[at])
                at += 1
                continue
            if at + 2 > len(stream):
                raise Damaged("a pglz stream ends within a copy")
            length = (stream[at] & 0x0F) + 3
            distance = (stream[at] & 0xF0) << 4 | stream[at + 1]
            at += 2
            if length == 18:
                length += stream[at]
                at += 1
            if distance == 0 or distance > len(out):
                raise Damaged("a pglz stream copies from before its start")
            for _ in range(min(length, size - len(out))):
                out.append(out[-distance])
    if len(out) != size or at != len(stream):
        raise Damaged("a pglz stream has another length than it says")
    return bytes(out)


class Column:
    def __init__(self, image, number):
        (self.byval, self.align, self.attlen, self.attnum, self.cacheoff,
         self.typid, self.typmod, offset, length) = COLUMN.unpack_from(
             image.data, HEADER.size + number * COLUMN.size)
        self.image = image
        self.offset = offset * 8
        self.length = length * 8
        at = HEADER.size + image.ncols * COLUMN.size + number * 64
        self.name = bytes(image.data[at:at + 64]).split(b"\0")[0].decode()
        if self.offset + self.length > len(image.data):
            raise Damaged(f"column {self.name} lies outside the image")

    @property
    def absent(self):
        """NULL in every row, or dropped."""
        return self.offset == 0

    def _block(self, dtype, count, offset=0):
        return np.frombuffer(self.image.data, dtype, count,
                             self.offset + offset)

    def fixed(self):
        """(rows x attlen bytes, rows bools: True = not NULL)."""
        rows = self.image.rows
        if self.absent:
            return (np.zeros((rows, max(self.attlen, 0)), np.uint8),
                    np.zeros(rows, bool))
        stride = align(self.attlen, self.align)
        array = align(rows * stride, 8)
        values = self._block(np.uint8, rows * stride)
        values = values.reshape(rows, stride)[:, :self.attlen]
        if self.length <= array:
            return values, np.ones(rows, bool)
        bits = self._block(np.uint8, (rows + 7) // 8, array)
        valid = np.unpackbits(bits, bitorder="little")[:rows]
        return values, valid.astype(bool)

    def offsets(self):
        """Of a varlena column: in bytes from the block, 0 = NULL."""
        if self.absent:
            return np.zeros(self.image.rows, np.uint64)
        return self._block("<u4", self.image.rows).astype(np.uint64) * 8

    def varlena(self):
        """The plain bytes of each row, without headers; None = NULL."""
        seen = {0: None}
        for offset in map(int, np.unique(self.offsets())):
            if offset != 0:
                seen[offset] = self._value(offset)
        return [seen[int(offset)] for offset in self.offsets()]

    def _value(self, offset):
        array = align(self.image.rows * 4, 8)
        if offset < array or offset + 4 > self.length:
            raise Damaged(f"a value of {self.name} lies outside its column")
        at = self.offset + offset
        header, = struct.unpack_from("<I", self.image.data, at)
        length = header >> 2
        if header & 1 or length < 4 or offset + length > self.length:
            raise Damaged(f"a value of {self.name} has a bad header")
        body = bytes(self.image.data[at + 4:at + length])
        if header & 3 == 0:
            return body
        size, = struct.unpack_from("<I", body)
        return pglz_decompress(body[4:], size & 0x3FFFFFFF)


class Image:
    def __init__(self, data):
        self.data = memoryview(data)
        if len(self.data) < HEADER.size:
            raise Damaged("too short for a header")
        (self.length, self.rows, self.usage, self.nrooms, self.ncols,
         self.format, self.has_notbyval, self.has_attnames, tdhasoid,
         self.row_type, tdtypmod, self.table_oid, nslots, hash_min, hash_max,
         nrows_per_block) = HEADER.unpack_from(self.data)
        if self.format != 5 or self.length > len(self.data):
            raise Damaged("not an image of format pgstrom")
        if (self.nrooms != self.rows or self.has_attnames != 1 or tdhasoid or
                tdtypmod != -1 or nslots or hash_min or
                hash_max != 0xFFFFFFFF or nrows_per_block or
                self.usage != self.length // 8):
            raise Damaged("a field of the header has a value it never has")
        self.columns = [Column(self, i) for i in range(self.ncols)]
        self._check_layout()

    def _check_layout(self):
        """Columns lie one after the other, and nothing else lies there."""
        at = align(HEADER.size + self.ncols * (COLUMN.size + 64), 16)
        for column in self.columns:
            if column.absent:
                continue
            if column.offset != at:
                raise Damaged(f"column {column.name} is not where it belongs")
            at += column.length
        if at != self.length:
            raise Damaged("bytes that belong to no column")
