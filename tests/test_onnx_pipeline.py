"""Whole pipelines with engine: onnx: their values depend neither on the chunks nor on workers and threads."""

import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import avfer
from avfer.pipeline import Pipeline, load
from tests.laws import assert_same
from tests.processes import avfer_threads

DEMO = Path(__file__).parent / "data" / "demo.mp4"
OPTIONS = {"engine": "onnx", "stop": 2.0}

pytest.importorskip("onnxruntime", reason="engine: onnx needs avfer[onnx]")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load("aver", device="cpu", max_threads=1, **OPTIONS)


def test_chunks_change_no_value_of_onnx_runtime(pipeline: Pipeline) -> None:
    whole = pipeline.run(DEMO)
    pipeline.spec = replace(pipeline.spec, chunk=0.37)
    assert_same(pipeline.run(DEMO), whole)
    assert set(pipeline.engines.values()) == {f"onnxruntime {version('onnxruntime')}"}


def test_two_workers_give_the_values_of_one_thread(pipeline: Pipeline, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "corpus").mkdir(exist_ok=True)
        shutil.copy(DEMO, tmp_path / "corpus" / name)
    totals = avfer.label(
        "aver", tmp_path / "corpus", tmp_path / "labels", workers=2, max_threads=2, device="cpu", **OPTIONS
    )
    expected = pipeline.run(DEMO).to_table().drop_columns(["clip", "source"])
    assert totals.done == 2 and expected.num_rows > 0
    for name in ("a.mp4", "b.mp4"):
        found = pq.read_table(tmp_path / "labels" / "clips" / f"{name}.parquet").drop_columns(["clip", "source"])
        assert found.equals(expected)
    assert avfer_threads() == []
