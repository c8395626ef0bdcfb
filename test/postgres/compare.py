#!/usr/bin/env python3
"""What PostgreSQL's regression tests printed of gstore tables, against what they
printed of ordinary ones.

Usage: compare.py [--update] HEAP GSTORE DEVIATIONS NAME...

Plans are left out: they are not the subject.
Rows of a result may come in another order where the statement asks for none.
What then differs must be what DEVIATIONS/NAME.diff says.
"""

import difflib
import os
import re
import sys


def lines_of(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().split("\n")


def results_of(lines):
    """The lines, with each result table as one (header, rows, end) tuple."""
    out = []
    at = 0
    while at < len(lines):
        ruler = lines[at + 1] if at + 1 < len(lines) else ""
        if not re.fullmatch(r"-[-+]+", ruler) or len(lines[at]) != len(ruler):
            out.append(lines[at])
            at += 1
            continue
        end = at + 2
        while end < len(lines) and lines[end].startswith(" "):
            end += 1
        if re.search(r"QUERY PLAN|explain_", lines[at]):
            out.append("(a plan)")
        elif re.fullmatch(r"\(\d+ rows?\)", lines[end]):
            out.append((lines[at].rstrip(), tuple(lines[at + 2:end]), lines[end]))
        else:
            out.append("(a description)")
            end -= 1
        at = end + 1
    return out


def alike(line):
    """What the two kinds of tables are called is not the subject either."""
    line = re.sub(r"\b[fF]oreign table", "table", line)
    return re.sub(r'^ *[tT]able (".*")$', r"Table \1", line)


def statement_before(items, at):
    """The echoed lines that led to a result, as far as one can tell."""
    text = []
    at -= 1
    while at >= 0 and isinstance(items[at], str):
        if text and (items[at].endswith(";") or items[at] == ""):
            break
        text.insert(0, items[at])
        at -= 1
    return "\n".join(text).lower()


def flat(items):
    out = []
    for at, item in enumerate(items):
        if isinstance(item, str):
            if not re.match(r"WARNING:  skipped scanning foreign table|Server: gstore", item):
                out.append(alike(item))
            continue
        head, rows, end = item
        if not re.search(r"order\s+by|fetch |\bmove ", statement_before(items, at)):
            rows = tuple(sorted(rows))
        widths = re.sub(r" +", " ", head)
        out += [widths, *(re.sub(r" +", " ", row) for row in rows), end]
    return out


def difference(expected, found):
    """Both sides' lines without their numbers, which change with a release."""
    lines = difflib.unified_diff(flat(results_of(expected)),
                                 flat(results_of(found)), n=0, lineterm="")
    return ["@@" if line.startswith("@@") else line for line in list(lines)[2:]]


def main():
    arguments = sys.argv[1:]
    update = arguments[0] == "--update"
    heap, gstore, folder, *names = arguments[update:]
    bad = 0
    for name in names:
        now = difference(*(lines_of(os.path.join(run, name + ".out"))
                           for run in (heap, gstore)))
        path = os.path.join(folder, name + ".diff")
        known = lines_of(path)[:-1] if os.path.exists(path) else []
        if update:
            if now:
                with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write("\n".join(now) + "\n")
            elif os.path.exists(path):
                os.remove(path)
        elif now != known:
            bad += 1
            print(f"{name}: FAILED")
            print("\n".join(difflib.unified_diff(known, now, "may differ", "differs", n=1,
                                                 lineterm="")))
            continue
        hunks = sum(line == "@@" for line in now)
        print(f"{name}: ok" + (f", {hunks} known deviations" if hunks else ""))
    print(f"{len(names) - bad} passed, {bad} failed")
    return bad > 0


sys.exit(main())
