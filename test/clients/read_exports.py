#!/usr/bin/env python3
"""Map many exported images and compare each with what COPY wrote: prints TAP.

Usage: read_exports.py MANIFEST

MANIFEST is a JSON object: types, the answer of postgres_text.CATALOGUE_QUERY,
and images, a list of {name, map, expected}: map as the arguments of
map_table.py, expected the file with the rows as COPY writes them.  With
"raw": true the file has the values' bytes in hex instead.  With "md5": true
expected is the md5 of such rows, which are then not kept; the table's columns
must be texts.
"""

import hashlib
import itertools
import json
import sys

import map_table
import postgres_text


def lines_of(image, types):
    data = map_table.map_image(*image["map"])
    if image.get("raw"):
        columns = map_table.pgstrom_columns(data, types, True)
    else:
        columns = map_table.columns_of(data, types)
    columns = list(columns)
    unknown = [i for i, column in enumerate(columns) if column is None]
    if unknown:
        raise ValueError(f"columns {unknown}, from 0, are of unknown types")
    return map(map_table.copied, zip(*columns))


def difference(image, types):
    """What is wrong with an image; empty if nothing is."""
    try:
        with open(image["expected"], encoding="utf-8", newline="\n") as file:
            wanted = (line.removesuffix("\n") for line in file)
            for row, (got, want) in enumerate(itertools.zip_longest(
                    lines_of(image, types), wanted)):
                if got == want:
                    continue
                if got is None or want is None:
                    return f"row {row} is in one of them alone"
                for column, (a, b) in enumerate(itertools.zip_longest(
                        got.split("\t"), want.split("\t"))):
                    if a != b:
                        return (f"row {row}, column {column}: the image has "
                                f"{a[:200]!r}, COPY {b[:200]!r}")
    except (ValueError, LookupError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def large_difference(image):
    """Likewise for texts that are too large to have them all at hand."""
    import check_images
    import pyarrow
    data = map_table.map_image(*image["map"])
    digest = hashlib.md5()
    arrays = check_images.arrow_arrays(pyarrow, data)
    for array in arrays:
        array.validate(full=True)
    for row in zip(*arrays):
        digest.update((map_table.copied(
            None if not value.is_valid else value.as_py()
            for value in row) + "\n").encode())
    return "" if digest.hexdigest() == image["expected"] \
        else "the rows have another md5"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        manifest = json.load(file)
    types = postgres_text.Types(manifest["types"])
    failures = 0
    for number, image in enumerate(manifest["images"], 1):
        problem = large_difference(image) if image.get("md5") \
            else difference(image, types)
        failures += problem != ""
        print(f"{'not ' if problem else ''}ok {number} - {image['name']}")
        if problem:
            print(f"# {problem}")
    print(f"1..{len(manifest['images'])}")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
