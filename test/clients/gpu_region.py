#!/usr/bin/env python3
"""GPU memory of its own for others to open: a partner for lo_import_gpu and
lo_export_gpu.

Usage: gpu_region.py BYTES [DEVICE]

Prints the handle in hex.  Then each line of its input is a command:
    fill SEED                   bytes that the seed determines, all over
    md5 OFFSET LENGTH           prints the md5 of a range
    free                        frees the memory and goes on
At the end of its input the memory is gone.  The driver is libcuda.so.1, or what
GSTORE_CUDA_LIBRARY names.
"""

import ctypes
import hashlib
import os
import random
import sys

PIECE = 16 << 20


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_ubyte * 64)]


driver = ctypes.CDLL(os.environ.get("GSTORE_CUDA_LIBRARY", "libcuda.so.1"))
length, device = int(sys.argv[1]), int((*sys.argv, 0)[2])
context, memory, handle = ctypes.c_void_p(), ctypes.c_uint64(), Handle()


def call(name, *arguments):
    result = getattr(driver, name)(*arguments)
    if result != 0:
        sys.exit(f"{name}: CUresult {result}")


def pieces(start, count):
    for offset in range(start, start + count, PIECE):
        yield (ctypes.c_uint64(memory.value + offset),
               min(PIECE, start + count - offset))


call("cuInit", 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
call("cuCtxSetCurrent", context)
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(length))
call("cuIpcGetMemHandle", ctypes.byref(handle), memory)
print(bytes(handle.bytes).hex(), flush=True)
for line in sys.stdin:
    command, *numbers = line.split()
    if command == "fill":
        noise = random.Random(int(numbers[0])).randbytes(PIECE)
        for number, (address, count) in enumerate(pieces(0, length)):
            noise = number.to_bytes(8, "little") + noise[8:]
            call("cuMemcpyHtoD_v2", address, noise, ctypes.c_size_t(count))
        print("filled", flush=True)
    elif command == "md5":
        digest, target = hashlib.md5(), ctypes.create_string_buffer(PIECE)
        for address, count in pieces(*map(int, numbers)):
            call("cuMemcpyDtoH_v2", target, address, ctypes.c_size_t(count))
            digest.update(memoryview(target)[:count])
        print(digest.hexdigest(), flush=True)
    elif command == "free":
        call("cuMemFree_v2", memory)
        print("freed", flush=True)
