"""One clip to its files: formats and exporters by name, also from outside avfer, and how failures are reported."""

from dataclasses import replace

import pyarrow as pa
import pytest
from pyarrow.parquet import read_table

from avfer.errors import ConfigError, MediaError
from avfer.jobs import ClipResult, clip_to_files, plan_job, run_job
from avfer.pipeline import load
from tests.media_maker import stripes, write_clip
from tests.steady_stage import write_pipeline

COUNT, FAILING = "tests.toy_exporter:CountRows", "tests.toy_exporter:FailingExporter"
FRAMES = 7


@pytest.fixture
def pipeline(tmp_path):
    return load(write_pipeline(tmp_path), device="cpu")


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "talk.mp4", stripes(FRAMES))


def test_files_are_named_after_the_clip_by_the_suffix_of_format_and_exporter(tmp_path):
    job = plan_job(tmp_path / "talk.mp4", tmp_path / "out", ("csv", "parquet"), ("report", "overlay", COUNT))
    names = [path.relative_to(tmp_path / "out").as_posix() for path in job.outputs]
    assert names == ["talk.csv", "talk.parquet", "talk.html", "talk.overlay.mp4", "talk.rows.txt"]
    assert plan_job(tmp_path / "face.png", tmp_path, (), ("overlay",)).outputs == (tmp_path / "face.overlay.jpg",)


@pytest.mark.parametrize(("formats", "exporters"), [(("xlsx",), ()), (("csv",), ("rapport",)), ((COUNT,), ())])
def test_an_unknown_or_unfit_format_or_exporter_is_an_error(tmp_path, formats, exporters):
    with pytest.raises(ConfigError, match=r"xlsx|did you mean 'report'|lacks"):
        plan_job(tmp_path / "talk.mp4", tmp_path, formats, exporters)


def test_a_name_that_no_file_can_have_is_an_error_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match=r"too long for a path"):
        plan_job(tmp_path / f"{'я' * 125}.mp4", tmp_path, ("parquet",))


def test_an_exporter_from_outside_avfer_writes_its_file(pipeline, clip, tmp_path):
    outcome = run_job(plan_job(clip, tmp_path / "out", ("parquet",), (COUNT,)), pipeline, overwrite=False)
    assert outcome.error is None and outcome.done == [tmp_path / "out/talk.parquet", tmp_path / "out/talk.rows.txt"]
    assert outcome.done[1].read_text() == f"talk.mp4 {FRAMES}"
    assert outcome.summary is not None and outcome.summary.rows == FRAMES


def test_files_before_a_failure_are_kept_and_reported(pipeline, clip, tmp_path):
    outcome = run_job(plan_job(clip, tmp_path / "out", ("parquet",), (COUNT, FAILING)), pipeline, overwrite=False)
    assert outcome.error is not None and outcome.error.endswith("toy error")
    assert outcome.done == [tmp_path / "out/talk.parquet", tmp_path / "out/talk.rows.txt"]


def test_existing_files_are_kept_and_only_missing_ones_are_written(pipeline, clip, tmp_path):
    job = plan_job(clip, tmp_path / "out", ("parquet",), (COUNT,))
    run_job(job, pipeline, overwrite=False)
    job.tables["parquet"].write_text("mine")
    assert run_job(job, pipeline, overwrite=False).kept
    job.exports[COUNT].unlink()
    assert not run_job(job, pipeline, overwrite=False).kept
    assert job.tables["parquet"].read_text() == "mine" and job.exports[COUNT].exists()


def test_the_columns_of_a_manifest_are_in_every_row(pipeline, clip, tmp_path):
    result, job = ClipResult(), plan_job(clip, tmp_path, ("parquet",))
    clip_to_files(replace(job, columns=pa.table({"subject": ["s1"]})), pipeline, result)
    assert read_table(tmp_path / "talk.parquet")["subject"].to_pylist() == ["s1"] * FRAMES
    assert result.written == [tmp_path / "talk.parquet"] and result.duration == pytest.approx(FRAMES / 25)


@pytest.mark.filterwarnings("ignore:baseline. a person has fewer than 10 measured faces")
@pytest.mark.parametrize("baseline", ["low", [0.0, 0.1]])
def test_a_baseline_gives_the_corrected_columns_of_run_beside_the_raw_ones(clip, tmp_path, baseline):
    pipeline = load(write_pipeline(tmp_path), device="cpu", baseline=baseline)
    outcome = run_job(
        plan_job(clip, tmp_path / "out", ("parquet", "csv"), ("report", COUNT)), pipeline, overwrite=False
    )
    assert outcome.error is None and len(outcome.done) == 4
    table = read_table(outcome.done[0])
    assert table.equals(pipeline.run(clip).to_table(), check_metadata=True)
    assert table["au12"].to_pylist() == [0.25] * FRAMES and table["au12_corrected"].to_pylist() == [0.0] * FRAMES
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(".avfer", "talk.csv", "talk.html", "talk.parquet", "talk.rows.txt")
    ]


def test_a_baseline_of_a_pipeline_without_action_units_is_an_error(clip, tmp_path):
    options = {"baseline": "low", "affect.use": "tests.toy_stages:TimeAsValence"}
    pipeline = load(write_pipeline(tmp_path), device="cpu", **options)
    outcome = run_job(plan_job(clip, tmp_path / "out", ("parquet",)), pipeline, overwrite=False)
    assert outcome.error and "no action units" in outcome.error and not list((tmp_path / "out").iterdir())


def test_an_unreadable_clip_raises_and_writes_nothing(pipeline, tmp_path):
    (tmp_path / "bad.mp4").write_text("no film")
    result = ClipResult()
    with pytest.raises(MediaError):
        clip_to_files(plan_job(tmp_path / "bad.mp4", tmp_path / "out", ("parquet",)), pipeline, result)
    assert result.written == [] and list((tmp_path / "out").iterdir()) == []
