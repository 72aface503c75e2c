"""The recipe of docs/portfolio.md, as it stands there, in a Spark of two threads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from portfolio.assessor import Assessor
from tests.applications import POLICY_FILE
from tests.portfolio.portfolios import MODEL, rows_of, table_of, write_parquet
from tests.servers import HANG_SECONDS, ROOT

PAGE = ROOT / "docs" / "portfolio.md"

SESSION = """
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
         .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate())
MODEL, POLICY, INPUT, OUTPUT = {paths}
{recipe}
scored.write.parquet(OUTPUT)
spark.stop()
"""


@pytest.mark.slow
def test_it_gives_the_same_answers(assessor: Assessor, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="pyspark isn't installed: .ci/ray-tools")
    if shutil.which("java") is None:
        pytest.skip("there is no Java: .ci/ray-tools")
    rows = rows_of(3000)
    path = write_parquet(tmp_path / "a.parquet", rows, group=500)
    (recipe,) = re.findall(r"<!-- spark: .*? -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "recipe.py"
    paths = (str(MODEL), str(POLICY_FILE), str(path), str(tmp_path / "out"))
    script.write_text(SESSION.format(paths=paths, recipe=recipe), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-3000:]
    expected = assessor.score(table_of(rows)).answers
    found = {row["reference"]: row for row in pq.read_table(tmp_path / "out").to_pylist()}
    assert 3000 == len(found)
    for row in expected.to_pylist():
        assert {name: row[name] for name in found[row["reference"]]} == found[row["reference"]]
