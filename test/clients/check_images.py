#!/usr/bin/env python3
"""Images that test/unit programs write, read by others: prints TAP.

Usage: check_images.py [DIRECTORY-OF-UNIT-PROGRAMS]     (default: build/unit)

pgstrom images by pgstrom_reader.py, arrow images by pyarrow, which also
validates them.  Both are compared with what the unit program says its rows
are.  numpy and pyarrow are installed into build/venv where they are missing;
where that fails the tests that need them are skipped.
"""

import decimal
import fcntl
import importlib.util
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent

SIZES = (0, 1, 7, 8, 9, 1023, 1024, 1025, 65535, 65536, 65537)
NULL_PATTERNS = 6

tests = failures = 0


def ok(good, what):
    global tests, failures
    tests += 1
    failures += not good
    print(f"{'' if good else 'not '}ok {tests} - {what}")


def skip(what, why):
    global tests
    tests += 1
    print(f"ok {tests} - {what} # SKIP {why}")


def make(program, folder, *arguments):
    """An image, and the rows in it: for each a list of bytes or None."""
    path = pathlib.Path(folder) / "image"
    text = pathlib.Path(folder) / "rows"
    subprocess.run([program, path, text, *map(str, arguments)], check=True)
    rows = [[None if field == "\\N" else
             field if field.startswith("[") else bytes.fromhex(field)
             for field in line.split("\t")[:-1]]
            for line in text.read_text().splitlines()]
    return path.read_bytes(), rows


# ---- pgstrom ----

def pgstrom_rows(data):
    import pgstrom_reader
    image = pgstrom_reader.Image(data)
    columns = []
    for column in image.columns:
        if column.attlen < 0:
            columns.append(column.varlena())
        else:
            values, valid = column.fixed()
            columns.append([bytes(value) if good else None
                            for value, good in zip(values, valid)])
    return [list(row) for row in zip(*columns)]


# ---- arrow ----

ARROW_HEADER = struct.Struct("<8sIIQQIIIIQQ")
ARROW_COLUMN = struct.Struct("<64s32sQQQQQQQIihH4xQ16x")


def arrow_type(pa, text):
    if text.startswith("d:"):
        precision, scale = map(int, text[2:].split(","))
        return pa.decimal128(precision, scale)
    return {
        "n": pa.null(), "b": pa.bool_(), "C": pa.uint8(), "s": pa.int16(),
        "i": pa.int32(), "l": pa.int64(), "f": pa.float32(),
        "g": pa.float64(), "I": pa.uint32(), "tdD": pa.date32(),
        "ttu": pa.time64("us"), "tsu:": pa.timestamp("us"),
        "tsu:UTC": pa.timestamp("us", "UTC"),
        "tin": pa.month_day_nano_interval(), "w:16": pa.binary(16),
        "u": pa.utf8(), "U": pa.large_utf8(), "z": pa.binary(),
        "Z": pa.large_binary()}[text]


def arrow_array(pa, data, whole, at, rows):
    """The column described at a place, as pyarrow's, without a copy."""
    (name, text, nulls, valid_at, valid_size, offsets_at, offsets_size,
     data_at, data_size, _, _, _, nchildren,
     child_rows) = ARROW_COLUMN.unpack_from(data, at)
    text = text.split(b"\0")[0].decode()
    if rows is None:
        rows = child_rows
    if any(place % 64 for place in (valid_at, offsets_at, data_at)):
        raise ValueError("a buffer is not aligned")
    buffers = [whole.slice(valid_at, valid_size) if valid_at else None]
    if offsets_at:
        buffers.append(whole.slice(offsets_at, offsets_size))
    children = [arrow_array(pa, data, whole,
                            data_at + i * ARROW_COLUMN.size, None)
                for i in range(nchildren)]
    if text in ("+l", "+L", "+s"):
        fields = [pa.field(child_name, child.type)
                  for child_name, child in children]
        kind = {"+l": lambda: pa.list_(fields[0]),
                "+L": lambda: pa.large_list(fields[0]),
                "+s": lambda: pa.struct(fields)}[text]()
    else:
        kind = arrow_type(pa, text)
        if kind != pa.null():
            buffers.append(whole.slice(data_at, data_size))
    return (name.split(b"\0")[0].decode(),
            pa.Array.from_buffers(kind, rows, buffers, nulls, 0,
                                  [child for _, child in children] or None))


def arrow_arrays(pa, data):
    """The columns of an image as pyarrow's, without a copy."""
    whole = pa.py_buffer(data)
    header = ARROW_HEADER.unpack_from(data)
    magic, version, _, length, rows, ncols, column_bytes = header[:7]
    if magic != b"GSTARROW" or version not in (1, 2) or length != len(data):
        raise ValueError("not an image of format arrow")
    return [arrow_array(pa, data, whole,
                        ARROW_HEADER.size + i * column_bytes, rows)[1]
            for i in range(ncols)]


def arrow_typids(data):
    """pg_type.oid of each column of an image of format arrow."""
    header = ARROW_HEADER.unpack_from(data)
    return [ARROW_COLUMN.unpack_from(data, ARROW_HEADER.size +
                                     i * header[6])[9]
            for i in range(header[5])]


def as_postgres(pa, kind, value):
    """The bytes of PostgreSQL's value for what pyarrow shows."""
    if value is None:
        return None
    if pa.types.is_boolean(kind):
        return struct.pack("<?", value)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return value.encode()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or \
            pa.types.is_fixed_size_binary(kind):
        return value
    if pa.types.is_date32(kind):
        return struct.pack("<i", value - 10957)
    if pa.types.is_timestamp(kind):
        return struct.pack("<q", value - 10957 * 86400000000)
    if pa.types.is_time(kind):
        return struct.pack("<q", value)
    if pa.types.is_interval(kind):
        return struct.pack("<qii", value.nanoseconds // 1000, value.days,
                           value.months)
    if pa.types.is_decimal(kind):
        return str(value).encode()
    form = {pa.uint8(): "B", pa.int16(): "h", pa.int32(): "i",
            pa.int64(): "q", pa.uint32(): "I", pa.float32(): "f",
            pa.float64(): "d"}[kind]
    return struct.pack("<" + form, value)


def is_list(pa, kind):
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def nested_rows(pa, array):
    """Lists of bytes, or of such lists, for the rows of any array."""
    kind = array.type
    if is_list(pa, kind):
        items = nested_rows(pa, array.values)
        ends = array.offsets.to_pylist()
        rows = [items[a:b] for a, b in zip(ends, ends[1:])]
    elif pa.types.is_struct(kind):
        fields = [nested_rows(pa, array.field(i))
                  for i in range(kind.num_fields)]
        rows = [list(row) for row in zip(*fields)]
    else:
        return [None if value is None else
                decimal.Decimal(value) if pa.types.is_decimal(kind)
                else as_postgres(pa, kind, value)
                for value in numbers(pa, array)]
    return [row if good else None
            for row, good in zip(rows, array.is_valid().to_pylist())]


def parse_nested(pa, kind, text, at=0):
    """A value as the unit program writes it, and where its text ends."""
    if is_list(pa, kind) or pa.types.is_struct(kind):
        values = []
        at += 1
        while text[at] != "]":
            if text[at] == ",":
                at += 1
            if text[at] == "N":
                values.append(None)
                at += 1
                continue
            child = kind.value_type if is_list(pa, kind) else \
                kind.field(len(values)).type
            value, at = parse_nested(pa, child, text, at + 1)
            values.append(value)
        return values, at + 1
    end = at
    while end < len(text) and text[end] not in ",]":
        end += 1
    value = bytes.fromhex(text[at:end])
    return numeric_text(value) if pa.types.is_decimal(kind) else value, end


def numbers(pa, array):
    """Dates and times as their numbers: Python's own end at the year 9999."""
    if pa.types.is_date32(array.type):
        return array.view(pa.int32()).to_pylist()
    if pa.types.is_timestamp(array.type) or pa.types.is_time(array.type):
        return array.view(pa.int64()).to_pylist()
    return array.to_pylist()


def numeric_text(body):
    """A numeric's bytes as a Decimal, read as PostgreSQL lays it out."""
    word, = struct.unpack_from("<H", body)
    if word & 0x8000:
        negative, weight = word & 0x2000, (word & 0x3F) - (word & 0x40)
        digits = body[2:]
    else:
        negative, weight = word & 0x4000, struct.unpack_from("<h", body, 2)[0]
        digits = body[4:]
    with decimal.localcontext() as context:
        context.prec = 100
        value = decimal.Decimal(0)
        for i, (digit,) in enumerate(struct.iter_unpack("<H", digits)):
            value += decimal.Decimal(digit).scaleb(4 * (weight - i))
        return -value if negative else value


def arrow_rows_agree(pa, data, rows):
    arrays = arrow_arrays(pa, data)
    for number, array in enumerate(arrays):
        array.validate(full=True)
        if is_list(pa, array.type) or pa.types.is_struct(array.type):
            for row, got in zip(rows, nested_rows(pa, array)):
                want = row[number]
                if want is not None:
                    want = parse_nested(pa, array.type, want)[0]
                if got != want:
                    print(f"# column {number}: {got!r} is not {want!r}")
                    return False
            continue
        for row, value in zip(rows, numbers(pa, array)):
            got = as_postgres(pa, array.type, value)
            want = row[number]
            if pa.types.is_decimal(array.type) and want is not None:
                got, want = decimal.Decimal(got.decode()), numeric_text(want)
            if pa.types.is_floating(array.type) and value != value:
                continue
            if got != want:
                print(f"# column {number}: {got!r} is not {want!r}")
                return False
    return all(len(array) == len(rows) for array in arrays)


def have_modules():
    return all(importlib.util.find_spec(name) for name in ("numpy", "pyarrow"))


def install_modules(folder, python):
    """Make the environment, and put into it what is missing.  What could not be
    had is not asked for again for a while."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    tried = folder / "tried"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], **quiet)
    if not python.exists() or subprocess.run(
            [python, "-c", "import numpy, pyarrow, psycopg"],
            **quiet).returncode == 0:
        return
    if tried.exists() and time.time() - tried.stat().st_mtime < 600:
        return
    for modules in (["numpy", "pyarrow"], ["psycopg[binary]"]):
        subprocess.run([python, "-m", "pip", "install", "-q", *modules],
                       **quiet)
    tried.touch()


def run_where_modules_are():
    """Go on in build/venv, with what is missing installed there."""
    folder = pathlib.Path(os.environ.get("GSTORE_VENV",
                                          TOP / "build" / "venv"))
    python = folder / "bin" / "python"
    if have_modules() or "GSTORE_IN_VENV" in os.environ:
        return
    os.environ["GSTORE_IN_VENV"] = "1"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{folder}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            install_modules(folder, python)
    except OSError:
        pass
    if python.exists():
        os.execv(python, [python, *sys.argv])


def main():
    programs = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                            else TOP / "build" / "unit")
    run_where_modules_are()
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            for pattern in range(NULL_PATTERNS):
                if size > 60000 and pattern != 2:
                    continue
                what = f"{size} rows, NULL pattern {pattern}"
                try:
                    import numpy  # noqa: F401
                except ImportError:
                    skip(f"pgstrom: {what}", "there is no numpy")
                else:
                    data, rows = make(programs / "test_codec_pgstrom", folder,
                                      size, pattern)
                    ok(pgstrom_rows(data) == rows, f"pgstrom: {what}")
                try:
                    import pyarrow
                except ImportError:
                    skip(f"arrow: {what}", "there is no pyarrow")
                    continue
                for kind in (0, 2) if size > 60000 else range(4):
                    data, rows = make(programs / "test_codec_arrow", folder,
                                      size, pattern, kind)
                    ok(arrow_rows_agree(pyarrow, data, rows),
                       f"arrow: {what}{', large_text' * (kind % 2)}"
                       f"{', nested' * (kind // 2)}")
    print(f"1..{tests}")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
