"""One table of figures: this extension, PostgreSQL's heap, DuckDB, loops written
by hand, and a foreign table that keeps nothing, on the same rows with the same
number of threads.

Started by run.sh, which has made the cluster, the C program and, where PyPI can
be reached, DuckDB.  Prints a table in Markdown, or --json.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import time

# of sides whose tables are called otherwise
LABELS = {"noop": "no-op FDW"}

PRICES = {"numeric": "numeric(15,2)", "float": "float8"}

COLUMNS = """l_orderkey bigint NOT NULL, l_partkey int NOT NULL,
l_suppkey int NOT NULL, l_linenumber int NOT NULL,
l_quantity {0} NOT NULL, l_extendedprice {0} NOT NULL,
l_discount {0} NOT NULL, l_tax {0} NOT NULL,
l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
l_shipdate date NOT NULL, l_commitdate date NOT NULL,
l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL,
l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL"""

# The distributions of TPC-H's lineitem in outline, the same in every run.
FILL = """INSERT INTO source
SELECT i / 4 + 1, h % 200000 + 1, h % 10000 + 1, i % 4 + 1,
       h % 50 + 1, ((h % 50 + 1) * (90000 + h / 7 % 110001))::numeric / 100,
       (h / 11 % 11)::numeric / 100, (h / 13 % 9)::numeric / 100,
       (ARRAY['R', 'A', 'N'])[h / 17 % 3 + 1],
       (ARRAY['O', 'F'])[h / 19 % 2 + 1],
       date '1992-01-02' + (h / 23 % 2526)::int,
       date '1992-01-31' + (h / 29 % 2466)::int,
       date '1992-01-04' + (h / 31 % 2554)::int,
       (ARRAY['DELIVER IN PERSON', 'COLLECT COD', 'NONE',
              'TAKE BACK RETURN'])[h / 37 % 4 + 1],
       (ARRAY['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL',
              'FOB'])[h / 41 % 7 + 1],
       left(md5(h::text) || md5(i::text), 10 + (h / 43 % 34)::int)
  FROM generate_series(0, {rows} - 1) i,
       LATERAL (SELECT (hashint8(i)::bigint & 2147483647) AS h) x"""

# name, text; what DuckDB writes otherwise is put right by duckdb_text
QUERIES = [
    ("count(*)", "SELECT count(*) FROM {t}"),
    ("filter, 1 row in 2,500, unclustered",
     "SELECT count(*) FROM {t} WHERE l_shipdate = date '1994-08-23'"),
    ("filter, 1 row in 100, clustered",
     "SELECT sum(l_partkey) FROM {t} WHERE l_orderkey BETWEEN {low} AND {high}"),
    ("TPC-H Q1",
     "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),"
     " sum(l_extendedprice * (1 - l_discount)),"
     " sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),"
     " avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)"
     " FROM {t} WHERE l_shipdate <= date '1998-12-01' - interval '90 days'"
     " GROUP BY 1, 2 ORDER BY 1, 2"),
    ("TPC-H Q6",
     "SELECT sum(l_extendedprice * l_discount) FROM {t}"
     " WHERE l_shipdate >= date '1994-01-01'"
     " AND l_shipdate < date '1994-01-01' + interval '1 year'"
     " AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01"
     " AND l_quantity < 24"),
    ("GROUP BY, 1 million groups",
     "SELECT count(*), sum(s) FROM (SELECT l_orderkey % 1000000 AS k,"
     " sum(l_extendedprice) AS s FROM {t} GROUP BY 1) g"),
    # orders have four lines here, of at most 50
    ("TPC-H Q18, its subquery",
     "SELECT l_orderkey FROM {t} GROUP BY l_orderkey"
     " HAVING sum(l_quantity) > 190 ORDER BY 1"),
    ("GROUP BY two columns, 200,000 groups",
     "SELECT count(*), max(s) FROM (SELECT l_partkey, l_suppkey,"
     " sum(l_extendedprice) AS s FROM {t} GROUP BY 1, 2) g"),
]
# Loads and full reads are compared with what PostgreSQL itself takes for them.
WITH_NOOP = ("heap", "noop", "pgstrom", "arrow")

LOOPS = {"TPC-H Q1": "q1", "TPC-H Q6": "q6",
         "filter, 1 row in 2,500, unclustered": "filter"}


def duckdb_text(text):
    return re.sub(r"interval '(\d+) (day|year)s?'", r"interval \1 \2", text)


class Figure:
    """Times of one thing in milliseconds."""

    def __init__(self, times):
        self.times = times

    @property
    def median(self):
        return statistics.median(self.times)

    def as_dict(self):
        return {"median_ms": self.median, "min_ms": min(self.times),
                "max_ms": max(self.times), "n": len(self.times)}


def duckdb_load(variant, csv):
    """DuckDB's statement that fills its table from a file."""
    types = {n: t for n, t in re.findall(r"(\w+) ([\w()]+(?:,\d+\))?) NOT NULL", COLUMNS.format(
        {"numeric": "DECIMAL(15,2)", "float": "DOUBLE"}[variant]))}
    return f"INSERT INTO lineitem SELECT * FROM read_csv('{csv}', header=false, columns={types})"


class Bench:
    def __init__(self, options):
        self.options = options
        self.rows = []  # of the table: variant, name, {side: Figure}

    # ---- PostgreSQL ----

    def psql(self, script):
        """Run a script; the milliseconds after each \\echo label, by label."""
        done = subprocess.run(
            [self.options.psql, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h",
             self.options.socket, "-U", "postgres", "-d", "postgres"],
            input="SET client_min_messages = warning;\n" + script, text=True, stdout=subprocess.PIPE, check=True)
        times, answers, label = {}, {}, None
        for line in done.stdout.splitlines():
            if line.startswith("LABEL "):
                label = line[6:]
            elif line.startswith("Time: ") and label:
                times.setdefault(label, []).append(float(line.split()[1]))
            elif label:
                answers.setdefault(label, []).append(line)
        self.answers = answers
        return times

    def timed(self, sides, before="", first=1):
        """Times of {side: statements}, side after side, round after round; the
        first rounds only warm up."""
        script = before + "\n"
        for turn in range(self.options.repeat + first):
            for side, (setup, text, undo) in sides.items():
                script += f"{setup};\n\\timing on\n\\echo LABEL {side}\n{text};\n\\timing off\n\\echo LABEL -\n{undo};\n"
        times = self.psql(script)
        return {side: Figure(times[side][first:]) for side in sides}

    def table(self, side):
        return "heap" if side.startswith("heap") else side

    def setup(self, side, threads=None):
        """How many processes or threads, at most."""
        workers = self.options.threads - 1 if side == "heap parallel" else 0
        return (f"SET max_parallel_workers_per_gather = {workers};"
                f"SET gstore_fdw.host_threads = {threads or self.options.threads}")

    # ---- DuckDB ----

    def duckdb_open(self, variant):
        try:
            import duckdb
        except ImportError:
            return None
        price = {"numeric": "DECIMAL(15,2)", "float": "DOUBLE"}[variant]
        con = duckdb.connect()
        con.execute(f"SET threads = {self.options.threads}")
        con.execute("CREATE TABLE lineitem (" + COLUMNS.format(price).replace(" NOT NULL", "") + ")")
        self.duckdb_version = duckdb.__version__
        return con

    def duckdb_time(self, con, text, first=1, undo=None):
        times = []
        for turn in range(self.options.repeat + first):
            began = time.perf_counter()
            con.execute(text).fetchall()
            times.append((time.perf_counter() - began) * 1e3)
            if undo:
                con.execute(undo)
        return Figure(times[first:])

    # ---- what is measured ----

    def add(self, variant, name, figures):
        self.rows.append((variant, name, figures))
        print(f"  {variant} {name}: " + ", ".join(
            f"{side} {figure.median:.2f}" for side, figure in figures.items()), file=sys.stderr)

    def make(self, variant):
        price = PRICES[variant]
        columns = COLUMNS.format(price)
        tables = "DROP TABLE IF EXISTS heap;\nDROP FOREIGN TABLE IF EXISTS pgstrom, arrow;\n"
        tables += f"CREATE UNLOGGED TABLE heap ({columns});\n"
        tables += f"""CREATE OR REPLACE FUNCTION noop_fdw_handler() RETURNS fdw_handler
            AS '{self.options.noop}' LANGUAGE C;
            DROP FOREIGN DATA WRAPPER IF EXISTS noop_fdw CASCADE;
            CREATE FOREIGN DATA WRAPPER noop_fdw HANDLER noop_fdw_handler;
            CREATE SERVER noop_server FOREIGN DATA WRAPPER noop_fdw;
            CREATE FOREIGN TABLE noop ({columns}) SERVER noop_server
            OPTIONS (rows '{self.options.rows}');\n"""
        for side in ("pgstrom", "arrow"):
            tables += f"CREATE FOREIGN TABLE {side} ({columns}) SERVER gstore_fdw OPTIONS (format '{side}');\n"
        self.psql("CREATE EXTENSION IF NOT EXISTS gstore_fdw; DROP TABLE IF EXISTS source;"
                  f"CREATE UNLOGGED TABLE source ({columns});\n" + FILL.format(rows=self.options.rows) + ";\n"
                  "VACUUM ANALYZE source;" + tables)

    def loads(self, variant, con):
        folder = self.options.folder
        csv, binary = f"{folder}/rows.csv", f"{folder}/rows.binary"
        self.psql(f"COPY source TO '{csv}' (FORMAT csv); COPY source TO '{binary}' (FORMAT binary);")
        insert = "INSERT INTO {t} SELECT * FROM source"
        workers = self.options.threads
        load = f"SELECT gstore_load('{{t}}', 'source', {workers})"
        for name, text in (("load, INSERT ... SELECT", insert),
                           (f"load, gstore_load by {workers} workers", load),
                           ("load, COPY binary", f"COPY {{t}} FROM '{binary}' (FORMAT binary)"),
                           ("load, COPY csv", f"COPY {{t}} FROM '{csv}' (FORMAT csv)")):
            # nobody else has such a function: beside it, once more, what they have
            texts = {s: insert if text == load and s in ("heap", "noop") else text for s in WITH_NOOP}
            figures = self.timed(
                {s: (self.setup(s) + ("" if s == "noop" else f"; TRUNCATE {s}"), texts[s].format(t=s), "SELECT 1")
                 for s in WITH_NOOP})
            if con and "csv" in name:
                figures["DuckDB"] = self.duckdb_time(con, duckdb_load(variant, csv), undo="DELETE FROM lineitem")
            self.add(variant, name, figures)
        self.psql("VACUUM ANALYZE heap; ANALYZE pgstrom; ANALYZE arrow;")
        if con:
            con.execute(duckdb_load(variant, csv))
        os.unlink(csv)
        os.unlink(binary)

    def fill(self, variant, con):
        """What loads leave, untimed."""
        csv = f"{self.options.folder}/rows.csv"
        for side in ("heap", "pgstrom", "arrow"):
            self.psql(f"INSERT INTO {side} SELECT * FROM source;")
        self.psql(f"VACUUM ANALYZE heap; ANALYZE pgstrom; ANALYZE arrow; COPY source TO '{csv}' (FORMAT csv);")
        if con:
            con.execute(duckdb_load(variant, csv))
        os.unlink(csv)

    def full_read(self, variant):
        # the no-op table returns the first row that its session has given it
        rows = {s: (self.setup(s) + ("; INSERT INTO noop SELECT * FROM source LIMIT 1" if s == "noop" else ""),
                    f"COPY (SELECT * FROM {s}) TO '/dev/null' (FORMAT binary)", "SELECT 1") for s in WITH_NOOP}
        self.add(variant, "all rows out, COPY (SELECT *) binary", self.timed(rows))

    def reads(self, variant, con):
        sides = ("heap", "heap parallel", "pgstrom", "arrow")
        keys = {"low": self.options.rows // 8, "high": self.options.rows // 8 + self.options.rows // 400}
        for name, text in QUERIES:
            figures = self.timed({s: (self.setup(s), text.format(t=self.table(s), **keys), "SELECT 1") for s in sides},
                                 before="SET work_mem = '1GB';")
            self.check(name, sides)
            if con:
                figures["DuckDB"] = self.duckdb_time(con, duckdb_text(text.format(t="lineitem", **keys)))
            if name in LOOPS:
                key = LOOPS[name] if LOOPS[name] == "filter" else f"{LOOPS[name]}-{variant}"
                figures["C loop"] = Figure(self.loops[key])
            self.add(variant, name, figures)
            if name == "TPC-H Q1" and self.options.threads > 1:
                self.add(variant, name + ", one thread", self.timed(
                    {s: (self.setup(s, 1), text.format(t=s), "SELECT 1") for s in ("heap", "pgstrom", "arrow")}))

    def check(self, name, sides):
        """All sides must have said the same; floats nearly so."""
        answers = {s: self.answers.get(s, [""])[-1] for s in sides}
        for s, answer in answers.items():
            for mine, heap in zip(re.split(r"\|", answer), re.split(r"\|", answers["heap"])):
                if mine != heap and abs(float(mine) - float(heap)) > 1e-9 * abs(float(heap)):
                    raise SystemExit(f"{name}: {s} answered {answer}, the heap {answers['heap']}")

    def changes(self, variant, con):
        sides = ("heap", "pgstrom", "arrow")
        for name, text in (
                ("UPDATE of 1 row, no index",
                 "UPDATE {t} SET l_tax = l_tax + 1 WHERE l_orderkey = 1234 AND l_linenumber = 2"),
                ("DELETE of 1 row in 10", "DELETE FROM {t} WHERE l_orderkey % 10 = 3")):
            figures = self.timed({s: (self.setup(s) + "; BEGIN", text.format(t=s), "ROLLBACK") for s in sides})
            if con:
                con.execute("BEGIN")
                figures["DuckDB"] = self.duckdb_time(con, text.format(t="lineitem"), undo="ROLLBACK; BEGIN")
                con.execute("ROLLBACK")
            self.add(variant, name, figures)

    def commits(self, variant, con):
        n = 1000
        for side in ("pgstrom", "arrow"):
            self.psql(f"CREATE FOREIGN TABLE IF NOT EXISTS single_{side} (id int, v float8) SERVER gstore_fdw OPTIONS (format '{side}');")
        self.psql("CREATE UNLOGGED TABLE IF NOT EXISTS single_heap (id int, v float8);")
        figures = {}
        for side in ("heap", "pgstrom", "arrow"):
            times = []
            for turn in range(self.options.repeat + 1):
                began = time.perf_counter()
                self.psql("SET synchronous_commit = off;" + f"INSERT INTO single_{side} VALUES (1, 2);\n" * n)
                times.append((time.perf_counter() - began) * 1e3 / n)
            figures[side] = Figure(times[1:])
        if con:
            con.execute("CREATE TABLE single (id int, v double)")
            times = []
            for turn in range(self.options.repeat + 1):
                began = time.perf_counter()
                for i in range(n):
                    con.execute("INSERT INTO single VALUES (1, 2)")
                times.append((time.perf_counter() - began) * 1e3 / n)
            figures["DuckDB"] = Figure(times[1:])
        self.add(variant, "INSERT of 1 row in its own transaction", figures)

    def run(self):
        self.loops = {}
        out = subprocess.run([self.options.loop, str(self.options.rows), str(self.options.repeat),
                              str(self.options.threads)], text=True, stdout=subprocess.PIPE, check=True).stdout
        for line in out.splitlines():
            name, value = line.split()
            self.loops.setdefault(name, []).append(float(value))
        for variant in self.options.variants.split():
            con = self.duckdb_open(variant)
            self.make(variant)
            if self.options.only == "reads":
                self.fill(variant, con)
            else:
                self.loads(variant, con)
                self.full_read(variant)
            if self.options.only == "loads":
                continue
            self.reads(variant, con)
            self.changes(variant, con)
            if variant == self.options.variants.split()[0]:
                self.commits(variant, con)
            if con:
                con.close()

    # ---- what is printed ----

    def machine(self):
        with open("/proc/cpuinfo") as f:
            model = re.search(r"model name\s*: (.*)", f.read())
        with open("/proc/meminfo") as f:
            memory = int(re.search(r"MemTotal:\s*(\d+)", f.read()).group(1)) // 1048576
        version = self.psql_version()
        return {
            "date": datetime.date.today().isoformat(), "cpu": model.group(1) if model else "unknown",
            "cpus": os.cpu_count(), "memory_gib": memory, "postgresql": version,
            "duckdb": getattr(self, "duckdb_version", None), "device": self.options.device,
            "rows": self.options.rows, "repeat": self.options.repeat, "threads": self.options.threads,
            "read_gb_per_s": statistics.median(self.loops["read"])}

    def psql_version(self):
        self.psql("\\echo LABEL version\nSHOW server_version;")
        return self.answers["version"][0]

    def as_json(self):
        return json.dumps({"machine": self.machine(), "figures": [
            {"variant": v, "name": n, "sides": {LABELS.get(s, s): f.as_dict() for s, f in figures.items()}}
            for v, n, figures in self.rows]}, indent=1)

    def as_table(self):
        m = self.machine()
        sides = ["heap", "heap parallel", "noop", "pgstrom", "arrow", "DuckDB", "C loop"]
        lines = [
            f"{m['date']}, {m['cpu']}, {m['cpus']} CPUs, {m['memory_gib']} GiB, reads memory at"
            f" {m['read_gb_per_s']:.0f} GB/s with {m['threads']} threads. PostgreSQL {m['postgresql']},"
            f" DuckDB {m['duckdb'] or 'not there'}, device {m['device']}."
            f" {m['rows']:,} rows of 16 columns, medians of {m['repeat']} in ms"
            " (in brackets half the spread), all in memory.", "",
            "| | " + " | ".join(LABELS.get(s, s) for s in sides) + " | arrow against heap | against DuckDB |",
            "|---|" + "---|" * (len(sides) + 2)]
        for variant, name, figures in self.rows:
            cells = [f"{name} ({variant})" if len(self.options.variants.split()) > 1 else name]
            for side in sides:
                figure = figures.get(side)
                cells.append("" if figure is None else
                             f"{shown(figure.median)} ({shown((max(figure.times) - min(figure.times)) / 2)})")
            best = figures.get("heap parallel") or figures["heap"]
            cells.append(f"{best.median / figures['arrow'].median:.1f} times")
            cells.append("" if "DuckDB" not in figures else
                         f"{figures['DuckDB'].median / figures['arrow'].median:.1f} times")
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines + self.parts())

    def parts(self):
        """Loads and full reads, as parts of the heap's time."""
        if not any("noop" in figures for _, _, figures in self.rows):
            return []
        lines = ["", "Parts of the heap's time, and ms more than the no-op FDW's:", "",
                 "| | no-op FDW | pgstrom | arrow |", "|---|---|---|---|"]
        for variant, name, figures in self.rows:
            if "noop" not in figures:
                continue
            heap, noop = figures["heap"].median, figures["noop"].median
            cells = [f"{name} ({variant})", f"{noop / heap:.2f}"]
            for side in ("pgstrom", "arrow"):
                ms = figures[side].median
                cells.append(f"{ms / heap:.2f} ({shown(ms - noop)} more)")
            lines.append("| " + " | ".join(cells) + " |")
        return lines


def shown(ms):
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


def main():
    parser = argparse.ArgumentParser()
    for name in ("psql", "socket", "loop", "noop", "folder", "device", "variants"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--only", default="")
    for name in ("rows", "repeat", "threads"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    bench = Bench(options)
    bench.run()
    if options.json:
        with open(options.json, "w") as f:
            print(bench.as_json(), file=f)
    print(bench.as_table())


if __name__ == "__main__":
    main()
