"""PostgreSQL's values as its output functions print them.

Written from PostgreSQL's documentation and headers, independent of the
extension: what an outside program does with the values it finds in an image of
format pgstrom.  Types(catalogue) knows the built-in types that need no
catalogue; for arrays, enums, domains, composites and ranges it needs to be told
of them, by the answer of CATALOGUE_QUERY.

Printed as with the settings datestyle ISO, intervalstyle postgres, timezone UTC,
bytea_output hex, lc_monetary C.
"""

import fractions
import ipaddress
import json
import math
import struct

import numpy as np

# A json object: type's oid -> what of it a reader must know.
CATALOGUE_QUERY = """
SELECT json_object_agg(t.oid, json_build_object(
    'kind', CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1
        AND t.oid NOT IN ('int2vector'::regtype, 'oidvector'::regtype)
        THEN 'a' ELSE t.typtype END,
    'len', t.typlen, 'align', t.typalign, 'delimiter', t.typdelim,
    'element', t.typelem::int8, 'base', t.typbasetype::int8,
    'subtype', coalesce((SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid),
        (SELECT rngtypid FROM pg_range WHERE rngmultitypid = t.oid))::int8,
    'labels', (SELECT json_object_agg(e.oid, e.enumlabel) FROM pg_enum e
        WHERE e.enumtypid = t.oid),
    'attributes', (SELECT json_agg(CASE WHEN a.attisdropped THEN 0
            ELSE a.atttypid::int8 END ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0)))
FROM pg_type t"""

ALIGNMENT = {"c": 1, "s": 2, "i": 4, "d": 8}


def align(n, to):
    return (n + to - 1) // to * to


# ---- numbers ----

def shortest(scientific, limit):
    """A float from its shortest digits, such as "-1.25e-07"."""
    mantissa, exponent = scientific.split("e")
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "").rstrip("0") or "0"
    exponent = int(exponent)
    if digits == "0":
        return sign + "0"
    if exponent < -4 or exponent >= limit:
        point = "." if len(digits) > 1 else ""
        return (f"{sign}{digits[0]}{point}{digits[1:]}e"
                f"{'-' if exponent < 0 else '+'}{abs(exponent):02d}")
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    digits = digits.ljust(exponent + 1, "0")
    point = "." if len(digits) > exponent + 1 else ""
    return f"{sign}{digits[:exponent + 1]}{point}{digits[exponent + 1:]}"


def special(value):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return None


def digits(value):
    """The shortest digits between the midpoints to a float's neighbours, which
    PostgreSQL does not take themselves."""
    text = np.format_float_scientific(value, unique=True)
    # the midpoints of smaller ones have too many digits
    bits = np.finfo(type(value)).nmant
    if abs(float(value)) >= 2.0 ** bits:
        exact = fractions.Fraction(float(value))
        mantissa, exponent = math.frexp(abs(float(value)))
        above = fractions.Fraction(2) ** (exponent - 2 - bits)
        below = above / 2 if mantissa == 0.5 else above
        count = len(text.split("e")[0].lstrip("-").replace(".", ""))
        while not -below < abs(fractions.Fraction(text)) - abs(exact) < above:
            text = f"{float(value):.{count}e}"
            count += 1
    return text


def float8_text(value):
    return special(value) or shortest(digits(np.float64(value)), 15)


def float4_text(value):
    return special(value) or shortest(digits(np.float32(value)), 6)


def numeric_text(body):
    word, = struct.unpack_from("<H", body)
    if word & 0xC000 == 0xC000:
        return {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}[
            word & 0xF000]
    if word & 0x8000:
        negative, scale = word & 0x2000, word >> 7 & 0x3F
        weight, digits = (word & 0x3F) - (word & 0x40), body[2:]
    else:
        negative, scale = word & 0x4000, word & 0x3FFF
        weight, digits = struct.unpack_from("<h", body, 2)[0], body[4:]
    groups = [digit for digit, in struct.iter_unpack("<h", digits)]
    whole = groups[:weight + 1] if weight >= 0 else []
    whole += [0] * (weight + 1 - len(whole))
    behind = [0] * (-1 - weight) + groups[max(weight + 1, 0):]
    text = "".join(f"{digit:04d}" for digit in whole).lstrip("0") or "0"
    if scale > 0:
        fraction = "".join(f"{digit:04d}" for digit in behind)
        text += "." + fraction[:scale].ljust(scale, "0")
    return ("-" if negative else "") + text


def money_text(cents):
    units, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}${units:,}.{rest:02d}"


# ---- dates and times; days and microseconds since 2000-01-01 ----

DAY = 86400 * 1000000


def date_parts(days):
    """Year (0 is 1 BC), month, day of the Gregorian calendar."""
    # days from 1 March of year 0, in eras of 400 years
    days += 730425
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    month += 3 if month < 10 else -9
    return era * 400 + year + (month <= 2), month, day + 1


def day_text(days):
    year, month, day = date_parts(days)
    era = " BC" if year <= 0 else ""
    return f"{1 - year if year <= 0 else year:04d}-{month:02d}-{day:02d}", era


def clock_text(microseconds):
    seconds, fraction = divmod(microseconds, 1000000)
    text = (f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:"
            f"{seconds % 60:02d}")
    return text + (f".{fraction:06d}".rstrip("0") if fraction else "")


def date_text(days):
    if days in (-2**31, 2**31 - 1):
        return "-infinity" if days < 0 else "infinity"
    return "".join(day_text(days))


def timestamp_text(microseconds, zone=""):
    if microseconds in (-2**63, 2**63 - 1):
        return "-infinity" if microseconds < 0 else "infinity"
    days, clock = divmod(microseconds, DAY)
    day, era = day_text(days)
    return f"{day} {clock_text(clock)}{zone}{era}"


def timetz_text(microseconds, west):
    seconds = abs(west)
    zone = f"{'-' if west > 0 else '+'}{seconds // 3600:02d}"
    if seconds % 3600:
        zone += f":{seconds // 60 % 60:02d}"
    if seconds % 60:
        zone += f":{seconds % 60:02d}"
    return clock_text(microseconds) + zone


def interval_text(microseconds, days, months):
    years = int(months / 12)
    text, before = "", False
    for value, unit in ((years, "year"), (months - years * 12, "mon"),
                        (days, "day")):
        if value != 0:
            text += (f"{' ' if text else ''}{'+' if before and value > 0 else ''}"
                     f"{value} {unit}{'' if value == 1 else 's'}")
            before = value < 0
    if microseconds or not text:
        sign = "-" if microseconds < 0 else "+" if before else ""
        text += (" " if text else "") + sign + clock_text(abs(microseconds))
    return text


# ---- shapes ----

def floats(data, count, at=0):
    return struct.unpack_from(f"<{count}d", data, at)


def points(values):
    return ",".join(f"({float8_text(x)},{float8_text(y)})"
                    for x, y in zip(values[::2], values[1::2]))


def path_text(body):
    count, closed = struct.unpack_from("<ii", body)
    text = points(floats(body, 2 * count, 12))
    return f"({text})" if closed else f"[{text}]"


def polygon_text(body):
    count, = struct.unpack_from("<i", body)
    return f"({points(floats(body, 2 * count, 36))})"


def line_text(data):
    return "{" + ",".join(map(float8_text, floats(data, 3))) + "}"


def circle_text(data):
    x, y, radius = floats(data, 3)
    return f"<{points((x, y))},{float8_text(radius)}>"


# ---- others ----

def inet_text(body, is_cidr):
    family, bits = body[0], body[1]
    size = 4 if family == 2 else 16
    address = ipaddress.ip_address(bytes(body[2:2 + size]))
    return f"{address}/{bits}" if is_cidr or bits != size * 8 else str(address)


def bits_text(body):
    count, = struct.unpack_from("<i", body)
    return "".join(f"{byte:08b}" for byte in body[4:])[:count]


def char_text(data):
    byte = data[0]
    return "" if byte == 0 else chr(byte) if byte < 128 else f"\\{byte:03o}"


def uuid_text(data):
    text = bytes(data).hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def snapshot_text(body):
    count, xmin, xmax = struct.unpack_from("<IQQ", body)
    xids = struct.unpack_from(f"<{count}Q", body, 20)
    return f"{xmin}:{xmax}:{','.join(map(str, xids))}"


def tsvector_text(body):
    count, = struct.unpack_from("<i", body)
    strings = 4 + 4 * count
    words = []
    for i in range(count):
        entry, = struct.unpack_from("<I", body, 4 + 4 * i)
        length, at = entry >> 1 & 0x7FF, strings + (entry >> 12)
        word = bytes(body[at:at + length]).decode()
        text = "'" + word.replace("'", "''").replace("\\", "\\\\") + "'"
        if entry & 1:
            # counted from where the strings begin
            at = strings + align((entry >> 12) + length, 2)
            places, = struct.unpack_from("<H", body, at)
            text += ":" + ",".join(
                f"{place & 0x3FFF}{['', 'C', 'B', 'A'][place >> 14]}"
                for place in struct.unpack_from(f"<{places}H", body, at + 2))
        words.append(text)
    return " ".join(words)


def vector_text(body, form):
    count, = struct.unpack_from("<i", body, 12)
    return " ".join(map(str, struct.unpack_from(f"<{count}{form}", body, 20)))


# ---- jsonb ----

def json_string(data):
    return json.dumps(bytes(data).decode(), ensure_ascii=False)


def jsonb_text(body, at=0):
    header, = struct.unpack_from("<I", body, at)
    count = header & 0x0FFFFFFF
    is_object = header & 0x20000000
    entries = struct.unpack_from(f"<{count * (2 if is_object else 1)}I", body,
                                 at + 4)
    base = at + 4 + 4 * len(entries)
    end = 0
    texts = []
    for entry in entries:
        start, length = end, entry & 0x0FFFFFFF
        end = length if entry & 0x80000000 else start + length
        kind = entry >> 28 & 7
        if kind == 0:
            texts.append(json_string(body[base + start:base + end]))
        elif kind == 1:
            at_number = base + align(start, 4)
            texts.append(numeric_text(varlena(body, at_number)[0]))
        elif kind == 5:
            texts.append(jsonb_text(body, base + align(start, 4)))
        else:
            texts.append({2: "false", 3: "true", 4: "null"}[kind])
    if is_object:
        return "{" + ", ".join(f"{key}: {value}" for key, value in
                               zip(texts[:count], texts[count:])) + "}"
    if header & 0x10000000:
        return texts[0]
    return "[" + ", ".join(texts) + "]"


# ---- values within values ----

def varlena(data, at):
    """The body of the varlena at a place, and where it ends."""
    if data[at] & 1:
        length = data[at] >> 1
        return data[at + 1:at + length], at + length
    header, = struct.unpack_from("<I", data, at)
    if header & 3:
        raise ValueError("a compressed value within a value")
    return data[at + 4:at + (header >> 2)], at + (header >> 2)


def quoted(text, special_letters, doubled):
    if text == "" or any(letter in special_letters or letter in " \t\n\r\v\f"
                         for letter in text):
        for letter in '\\"':
            text = text.replace(letter, (letter if doubled else "\\") + letter)
        return f'"{text}"'
    return text


def array_text(elements, delimiter=","):
    """Of lists of texts, None and such lists."""
    texts = []
    for element in elements:
        if element is None:
            texts.append("NULL")
        elif isinstance(element, list):
            texts.append(array_text(element, delimiter))
        elif element.upper() == "NULL":
            texts.append(f'"{element}"')
        else:
            texts.append(quoted(element, '"\\{}' + delimiter, False))
    return "{" + delimiter.join(texts) + "}"


def record_text(attributes):
    return "(" + ",".join("" if text is None else quoted(text, '"\\(),', True)
                          for text in attributes) + ")"


def range_text(flags, lower, upper):
    if flags & 0x01:
        return "empty"

    def bound(text):
        return "" if text is None else quoted(text, '"\\()[],', True)
    return (("[" if flags & 0x02 else "(") + bound(lower) + "," +
            bound(upper) + ("]" if flags & 0x04 else ")"))


def unpacked(form, to_text=str):
    unpack = struct.Struct("<" + form).unpack
    return lambda data: to_text(*unpack(data))


def plain(data):
    return bytes(data).decode()


def padded(data):
    return bytes(data).split(b"\0")[0].decode()


BUILT_IN = {
    16: lambda data: "t" if data[0] else "f",
    17: lambda body: "\\x" + bytes(body).hex(),
    18: char_text,
    19: padded,
    20: unpacked("q"), 21: unpacked("h"), 23: unpacked("i"),
    22: lambda body: vector_text(body, "h"),
    30: lambda body: vector_text(body, "I"),
    25: plain, 1042: plain, 1043: plain, 114: plain, 142: plain, 1790: plain,
    26: unpacked("I"), 28: unpacked("I"), 29: unpacked("I"),
    # of the regclass kind: their number
    **dict.fromkeys((24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096,
                     4191), unpacked("I")),
    27: unpacked("HHH", lambda high, low, item:
                 f"({high << 16 | low},{item})"),
    700: unpacked("f", float4_text), 701: unpacked("d", float8_text),
    790: unpacked("q", money_text), 1700: numeric_text,
    1082: unpacked("i", date_text), 1083: unpacked("q", clock_text),
    1114: unpacked("q", timestamp_text),
    1184: unpacked("q", lambda value: timestamp_text(value, "+00")),
    1186: unpacked("qii", interval_text), 1266: unpacked("qi", timetz_text),
    600: lambda data: points(floats(data, 2)),
    601: lambda data: f"[{points(floats(data, 4))}]",
    603: lambda data: points(floats(data, 4)),
    602: path_text, 604: polygon_text, 628: line_text, 718: circle_text,
    829: lambda data: bytes(data).hex(":"),
    774: lambda data: bytes(data).hex(":"),
    869: lambda body: inet_text(body, False),
    650: lambda body: inet_text(body, True),
    1560: bits_text, 1562: bits_text,
    2950: uuid_text, 2970: snapshot_text, 5038: snapshot_text,
    3220: unpacked("Q", lambda value: f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"),
    5069: unpacked("Q"),
    3614: tsvector_text,
    3802: jsonb_text,
}


class Types:
    def __init__(self, catalogue=None):
        self.types = {int(oid): described
                      for oid, described in (catalogue or {}).items()}

    def decoder(self, oid):
        """What makes a text of a value's bytes (of a varlena's, its body);
        None if this reader does not know the type."""
        if oid in BUILT_IN:
            return BUILT_IN[oid]
        described = self.types.get(oid)
        if described is None:
            return None
        if described["kind"] == "d":
            return self.decoder(described["base"])
        if described["kind"] == "e":
            labels = described["labels"] or {}
            return lambda data: labels[str(struct.unpack("<I", data)[0])]
        within = {"a": (described["element"], self._array),
                  "r": (described["subtype"], self._range),
                  "m": (described["subtype"], self._multirange)}
        if described["kind"] in within:
            inner, decode = within[described["kind"]]
            if described["kind"] == "m":
                inner = self.types[inner]["subtype"]
            if self.decoder(inner) is None:
                return None
            return lambda body: decode(bytes(body), inner)
        if described["kind"] == "c":
            attributes = described["attributes"] or []
            if any(oid and self.decoder(oid) is None for oid in attributes):
                return None
            return lambda body: self._record(bytes(body), attributes)
        return None

    def delimiter(self, oid):
        described = self.types.get(oid)
        while described is not None and described["kind"] == "d":
            described = self.types[described["base"]]
        return self.types[described["element"]]["delimiter"] \
            if described is not None and described["kind"] == "a" else ","

    def _read(self, oid, data, at):
        """A value of a type within another one, and where it ends."""
        described = self.types[oid]
        to = ALIGNMENT[described["align"]]
        if described["len"] == -1:
            # a byte that is not zero begins a short varlena
            if data[at] == 0:
                at = align(at, to)
            body, end = varlena(data, at)
        else:
            at = align(at, to)
            end = at + described["len"]
            body = data[at:end]
        return self.decoder(oid)(body), end

    def _array(self, body, element):
        data = bytes(4) + body
        ndim, dataoffset = struct.unpack_from("<ii", data, 4)
        if ndim == 0:
            return "{}"
        dims = struct.unpack_from(f"<{ndim}i", data, 16)
        lower = struct.unpack_from(f"<{ndim}i", data, 16 + 4 * ndim)
        at = dataoffset or align(16 + 8 * ndim, 8)
        count = int(np.prod(dims))
        values = []
        to = ALIGNMENT[self.types[element]["align"]]
        for i in range(count):
            if dataoffset and not (data[16 + 8 * ndim + i // 8] >> i % 8 & 1):
                values.append(None)
                continue
            text, at = self._read(element, data, at)
            at = align(at, to)
            values.append(text)
        for size in reversed(dims[1:]):
            values = [values[i:i + size] for i in range(0, len(values), size)]
        prefix = ""
        if any(bound != 1 for bound in lower):
            prefix = "".join(f"[{bound}:{bound + size - 1}]"
                             for bound, size in zip(lower, dims)) + "="
        return prefix + array_text(values, self.types[element]["delimiter"])

    def _record(self, body, attributes):
        data = bytes(4) + body
        count, mask = struct.unpack_from("<HH", data, 18)
        at = data[22]
        texts = []
        for i, oid in enumerate(attributes):
            if i >= count & 0x7FF or (mask & 1 and
                                      not data[23 + i // 8] >> i % 8 & 1):
                text = None
            else:
                text, at = self._read(oid, data, at)
            if oid:
                texts.append(text)
        return record_text(texts)

    def _bounds(self, flags, data, at, subtype):
        lower = upper = None
        if not flags & (0x01 | 0x08 | 0x20):
            lower, at = self._read(subtype, data, at)
        if not flags & (0x01 | 0x10 | 0x40):
            upper, at = self._read(subtype, data, at)
        return range_text(flags, lower, upper), at

    def _range(self, body, subtype):
        return self._bounds(body[-1], bytes(4) + body, 8, subtype)[0]

    def _multirange(self, body, subtype):
        data = bytes(4) + body
        count, = struct.unpack_from("<I", data, 8)
        to = ALIGNMENT[self.types[subtype]["align"]]
        flags = 12 + 4 * max(count - 1, 0)
        at = align(flags + count, to)
        texts = []
        for i in range(count):
            text, at = self._bounds(data[flags + i], data, at, subtype)
            at = align(at, to)
            texts.append(text)
        return "{" + ",".join(texts) + "}"
