"""Existing outputs are kept only if the same pipeline, options, weights and input would make them again."""

import json
import os
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow.parquet import read_schema

from avfer.errors import AvferWarning, ConfigError
from avfer.export import find_exporter, metadata_of
from avfer.jobs import check_existing, plan_job, run_job
from avfer.kept_files import check_kept
from avfer.pipeline import load
from avfer.pipeline_config import parse_pipeline, read_pipeline
from avfer.provenance import Provenance
from avfer.provenance_comparison import differences, input_state, pipeline_sha256
from tests.media_maker import stripes, write_clip
from tests.steady_stage import PIPELINE, write_pipeline

ALL = ("--format", "parquet,csv,jsonl", "--report", "--overlay")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "talk.mp4", stripes(6))


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [("", "pose", "none (now pose)"), ("gaze", "", "gaze (now none)"), ("pose", "pose", "")],
)
def test_an_overlay_with_other_drawings_is_not_kept(clip, tmp_path, before, now, message):
    pipeline = load(write_pipeline(tmp_path), device="cpu")
    job = plan_job(clip, tmp_path / "out", ("parquet",), ("overlay",))
    run_job(replace(job, export_options={"overlay": {"draw": before}}), pipeline, overwrite=False)
    again = replace(job, export_options={"overlay": {"draw": now}})
    with pytest.raises(ConfigError, match=re.escape(f"overlay_draw {message}")) if message else nullcontext():
        check_existing([again], pipeline)


def test_comments_order_and_written_defaults_do_not_change_the_hash_of_a_pipeline():
    other = (
        "# mine\noutput: affect\nstages:\n"
        '  affect: {pause: 0, from: [frames], use: "tests.steady_stage:SteadyFace"}\n'
        "  frames: {reader: pyav, from: span, use: decode_video}\nchunk: 0.20\n"
    )
    assert pipeline_sha256(parse_pipeline(PIPELINE, "a")) == pipeline_sha256(parse_pipeline(other, "b"))


@pytest.mark.parametrize(
    "setting",
    [
        {"boxes.min_size": 24},
        {"tracks.max_gap": 1.0},
        {"threads": 2},
        {"chunk": 3.0},
        {"numbers_only": True},
        {"baseline": "low"},
    ],
)
def test_any_option_changes_the_hash_of_a_pipeline(setting):
    assert pipeline_sha256(read_pipeline("vision", setting)) != pipeline_sha256(read_pipeline("vision"))


@pytest.mark.parametrize("name", ["talk.parquet", "talk.csv", "talk.jsonl", "talk.html", "talk.overlay.mp4"])
def test_every_kind_of_output_is_kept_only_for_the_same_options(avfer, steady, clip, tmp_path, name):
    out = tmp_path / "out"
    assert avfer("run", steady, "--input", clip, "--output", out, *ALL).code == 0
    before = (out / name).read_bytes()
    same = avfer("run", steady, "--input", clip, "--output", out, *ALL)
    assert (same.code, len(same.paths)) == (0, 5) and "kept" in same.err
    for other in set(out.glob("talk.*")) - {out / name}:
        other.unlink()
    changed = avfer("run", steady, "--input", clip, "--output", out, *ALL, "--set", "affect.pause=0.001")
    assert changed.code == 2 and changed.out == ""
    assert f"{out / name} was made by pipeline steady" in changed.err
    assert "affect.pause 0.0 (now 0.001)" in changed.err and "--overwrite" in changed.err
    assert (out / name).read_bytes() == before


def test_a_kept_clip_counts_as_done_and_says_so(avfer, steady, clip, tmp_path):
    avfer("run", steady, "--input", clip, "--output", tmp_path)
    again = avfer("run", steady, "--input", clip, "--output", tmp_path)
    assert (again.code, again.paths) == (0, [tmp_path / "talk.parquet"])
    assert "kept, it existed already" in again.err


def test_a_changed_input_is_an_error_with_both_states(avfer, steady, clip, tmp_path):
    avfer("run", steady, "--input", clip, "--output", tmp_path)
    os.utime(clip, (1e9, 1e9))
    result = avfer("run", steady, "--input", clip, "--output", tmp_path)
    assert result.code == 2
    assert f"input of {clip.stat().st_size} bytes, modified 20" in result.err and "(now " in result.err
    assert "modified 2001-09-09 01:46:40" in result.err
    assert avfer("run", steady, "--input", clip, "--output", tmp_path, "--overwrite").code == 0


def test_another_clip_of_the_same_name_is_an_error(avfer, steady, clip, tmp_path):
    avfer("run", steady, "--input", clip, "--output", tmp_path)
    write_clip(tmp_path / "talk.avi", stripes(4), codec="mpeg4")
    result = avfer("run", steady, "--input", tmp_path / "talk.avi", "--output", tmp_path)
    assert result.code == 2 and "input talk.mp4 (now talk.avi)" in result.err


def test_other_weights_are_an_error_with_both_hashes():
    found = {"weights": json.dumps({"a.safetensors": "11" * 32})}
    wanted = Provenance("talk.mp4", weights={"a.safetensors": "22" * 32})
    assert differences(found, wanted) == ["weights a.safetensors 11111111 (now 22222222)"]
    assert differences(found, Provenance("talk.mp4", weights={"a.safetensors": "11" * 32})) == []


def test_a_table_of_another_version_is_kept_with_a_warning(tmp_path):
    exporter, path = find_exporter("report"), tmp_path / "a.html"
    found = json.dumps({"version": "0.0.1"}).replace('"', "&quot;")
    path.write_text(f'<meta name="avfer-metadata" content="{found}">')
    with pytest.warns(AvferWarning, match=r"a\.html was made by avfer 0\.0\.1 \(now "):
        check_kept({path: exporter}, {path: Provenance("talk.mp4")})


def test_an_older_table_is_compared_by_its_yaml():
    """Tables of earlier versions have neither the hash of the parsed pipeline nor the state of the input."""
    spec, other = (
        parse_pipeline(PIPELINE, "a"),
        parse_pipeline(PIPELINE.replace("from: frames}", "from: frames, pause: 1}"), "b"),
    )
    wanted = Provenance("a.mp4", pipeline=spec.text, parsed_pipeline_sha256=pipeline_sha256(spec), input={"size": 1})
    assert differences({"pipeline": "# old\n" + spec.text}, wanted) == []
    (text,) = differences({"pipeline": other.text}, wanted)
    assert "affect.pause 1.0 (now 0.0)" in text


def test_options_and_weights_of_another_pipeline_are_not_listed():
    spec = parse_pipeline(PIPELINE, "steady")
    wanted = Provenance(
        "a.mp4",
        pipeline=spec.text,
        pipeline_name="steady",
        parsed_pipeline_sha256=pipeline_sha256(spec),
        weights={"a.safetensors": "11" * 32},
    )
    found = {
        "pipeline": read_pipeline("vision").text,
        "pipeline_name": "vision",
        "weights": json.dumps({"b.safetensors": "22" * 32}),
    }
    (text,) = differences(found, wanted)
    assert re.fullmatch(r"pipeline vision \w{8} \(now steady \w{8}\)", text)


@pytest.mark.filterwarnings("always")
def test_a_replaced_csv_is_kept_with_a_warning(avfer, steady, clip, tmp_path):
    avfer("run", steady, "--input", clip, "--output", tmp_path, "--format", "csv")
    (tmp_path / "talk.csv").write_text("mine")
    result = avfer("run", steady, "--input", clip, "--output", tmp_path, "--format", "csv")
    assert result.code == 0 and (tmp_path / "talk.csv").read_text() == "mine"
    assert "talk.csv does not record what made it and is kept as it is" in result.err


def test_baselines_of_other_seconds_change_the_hash_of_a_pipeline():
    hashes = {pipeline_sha256(read_pipeline("vision", {"baseline": value})) for value in ("low", [0, 2], [0, 3])}
    assert len(hashes) == 3


def test_the_state_of_pictures_is_their_size_and_the_time_of_the_newest(tmp_path):
    for name, time in (("1.png", 5), ("2.png", 9), ("3.png", 7)):
        (tmp_path / name).write_bytes(b"12")
        os.utime(tmp_path / name, (time, time))
    assert input_state(tmp_path) == {"size": 6, "modified": 9}


def test_three_files_that_differ_are_named_and_the_others_counted(tmp_path):
    exporter, found = find_exporter("report"), json.dumps({"version": "1", "clip": "b.mp4"}).replace('"', "&quot;")
    paths = [tmp_path / f"{number}.html" for number in range(5)]
    for path in paths:
        path.write_text(f'<meta name="avfer-metadata" content="{found}">')
    with pytest.raises(ConfigError) as error:
        check_kept(dict.fromkeys(paths, exporter), dict.fromkeys(paths, Provenance("a.mp4")))
    assert str(error.value).count("was made by input b.mp4 (now a.mp4)") == 3
    assert "; and 2 more; choose another --output" in str(error.value)


def test_the_state_of_an_input_includes_its_sound_file(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"123")
    (tmp_path / "a.wav").write_bytes(b"1")
    state = input_state(tmp_path / "a.mp4", tmp_path / "a.wav")
    assert state["size"] == 3 and state["sound"] == {"name": "a.wav", **input_state(tmp_path / "a.wav")}
    assert input_state(tmp_path / "absent.mp4") == {}


def test_reports_and_overlays_hold_the_metadata_of_their_table(avfer, steady, clip, tmp_path):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path, "--report", "--overlay")
    metadata = metadata_of(read_schema(result.paths[0]))
    assert metadata["parsed_pipeline_sha256"] and metadata["pipeline_name"] == "steady"
    for name, path in zip(("report", "overlay"), result.paths[1:], strict=True):
        assert find_exporter(name).read_metadata(path) == metadata
