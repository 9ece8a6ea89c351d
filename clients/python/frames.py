"""Opens an export with pandas, polars and DuckDB, by the lines of docs/export.md.

Usage: frames.py PAGE FOLDER. FOLDER holds a load's `export`, its export as `csv`, and its `report`.
"""

import json
import os
import re
import sys
from pathlib import Path

import duckdb
import pandas
import polars

import checks

page = Path(sys.argv[1]).read_text(encoding="utf-8")
os.chdir(sys.argv[2])
BLOCKS = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
EXPORT = json.loads(Path("export/export.json").read_text(encoding="utf-8"))
REPORT = json.loads(Path("report/report.json").read_text(encoding="utf-8"))


def check(library):
    """Runs the page's lines for a library, and compares what they give with the export and the report."""
    (block,) = [block for block in BLOCKS if f"import {library}" in block]
    names = {}
    exec(block, names)
    for file in EXPORT["files"]:
        name = file["file"].removesuffix(".parquet")
        rows = len(names[name])
        assert rows == file["rows"], (library, name, rows, file["rows"])
    expected = REPORT["figures"]["ttft_ms"]["mean"]
    assert abs(names["ttft_ms"] - expected) < 1e-9 * expected, (names["ttft_ms"], expected)


def opens_in_pandas():
    check("pandas")


def opens_in_polars():
    check("polars")


def opens_in_duckdb():
    check("duckdb")


def csv_has_the_same_rows():
    for file in EXPORT["files"]:
        path = f"csv/{file['file'].removesuffix('.parquet')}.csv"
        assert len(pandas.read_csv(path)) == file["rows"], path
        assert polars.read_csv(path, infer_schema_length=None).height == file["rows"], path
        assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0] == file["rows"], path


if __name__ == "__main__":
    versions = f"{pandas.__version__}, polars {polars.__version__}, DuckDB {duckdb.__version__}"
    checks.run("pandas", versions, [opens_in_pandas, opens_in_polars, opens_in_duckdb, csv_has_the_same_rows])
