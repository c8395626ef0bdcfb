#!/usr/bin/env python3
"""Damage exported images, again and again, until its input ends.

Usage: scribble.py SEED DIRECTION...

DIRECTION is what map_table.py takes to find an image, joined by commas:
host,PATH,OFFSET,LENGTH or cuda,HANDLE,LENGTH.  An image has its own bytes back
before it is damaged anew: now and then its header, now and then all of it.
Prints how often.
"""

import ctypes
import random
import select
import sys
import time

import map_table

SMALL = (0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
         0x7fffffff, 0x80000000, 0xffffffff)


class HostImage:
    def __init__(self, path, offset, length):
        self.data = map_table.map_host(path, int(offset), int(length))
        self.own = bytes(self.data)

    def write(self, at, piece):
        self.data[at:at + len(piece)] = piece


class CudaImage:
    def __init__(self, handle, length):
        self.cuda = map_table.Cuda(bytes.fromhex(handle), 0)
        self.own = bytes(self.cuda.read(int(length)))

    def write(self, at, piece):
        self.cuda.call("cuMemcpyHtoD_v2",
                       ctypes.c_uint64(self.cuda.address.value + at), piece,
                       ctypes.c_size_t(len(piece)))


def parts(own):
    """The header, what follows, and the values of each varlena column."""
    def number(at, size):
        return int.from_bytes(own[at:at + size], "little")
    if own[:8] == b"GSTARROW":
        return (0, number(12, 4)), (number(12, 4), len(own)), []
    rows, ncols = number(8, 4), number(20, 4)
    end = 56 + ncols * (24 + 64)
    values = []
    for at in range(56, 56 + ncols * 24, 24):
        start, size = number(at + 16, 4) * 8, number(at + 20, 4) * 8
        offsets = (rows * 4 + 7) // 8 * 8
        if number(at + 2, 2) == 0xffff and size > offsets:
            values.append((start + offsets, start + size))
    return (0, end), (end, len(own)), values


def damage(image, noise, low, high):
    """Somewhere, a few bytes; returns where and how many."""
    size = len(image.own)
    at = noise.randrange(low, high)
    kind = noise.randrange(6)
    if kind == 0:
        piece = bytes([image.own[at] ^ 1 << noise.randrange(8)])
    elif kind == 1:
        at -= at % 4
        piece = noise.choice(SMALL).to_bytes(4, "little")
    elif kind == 2:
        at -= at % 4
        number = int.from_bytes(image.own[at:at + 4], "little")
        piece = ((number + noise.choice((-4, -1, 1, 4, 8, 64, 1024)))
                 % (1 << 32)).to_bytes(4, "little")
    elif kind == 3:
        start = noise.randrange(size)
        piece = image.own[start:start + noise.choice((4, 16, 100))]
    else:
        piece = noise.randbytes(noise.choice((1, 4, 8, 64)))
    piece = piece[:size - at]
    image.write(at, piece)
    return at, len(piece)


def main():
    noise = random.Random(int(sys.argv[1]))
    images = []
    for direction in sys.argv[2:]:
        kind, *arguments = direction.split(",")
        images.append((HostImage if kind == "host" else CudaImage)(*arguments))
    print("ready", flush=True)
    places = [[] for _ in images]
    rounds = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for image, damaged in zip(images, places):
            for at, length in damaged:
                image.write(at, image.own[at:at + length])
            if noise.random() < 0.02:
                image.write(0, noise.randbytes(len(image.own)))
                damaged[:] = [(0, len(image.own))]
            else:
                header, rest, values = parts(image.own)
                where = noise.choices((header, rest, noise.choice(values or
                                                                  [rest])),
                                      (1, 4, 6))[0]
                damaged[:] = [damage(image, noise, *where)
                              for _ in range(1 << noise.randrange(10))]
        rounds += 1
        time.sleep(noise.random() * 0.01)
    print(rounds)


if __name__ == "__main__":
    main()
