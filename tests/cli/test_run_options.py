"""`avfer run`: a table that other options of the clip made is never kept; the error names both values."""

from pathlib import Path

import av
import pytest
from pyarrow.parquet import read_table

from tests.media_maker import stripes, tone, write_clip

PIPELINE = """\
chunk: 0.2
stages:
  frames: {use: decode_video, from: span}
  boxes:  {use: detect_faces, from: frames}
  tracks: {use: track_faces, from: [frames, boxes]}
  faces:  {use: align_faces, from: [frames, tracks]}
  affect: {use: "tests.steady_stage:SteadyFace", from: frames}
output: affect
"""
FRAMES = 6


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "steady.yaml"
    path.write_text(PIPELINE)
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """A clip with a sound file beside it, and a folder of one picture with the name of the folder."""
    clip = write_clip(tmp_path / "talk.mp4", stripes(FRAMES))
    write_clip(tmp_path / "talk.wav", sound=tone(0.2))
    pictures = tmp_path / "shots"
    pictures.mkdir()
    av.VideoFrame.from_ndarray(stripes(1)[0], format="rgb24").to_image().save(pictures / "shots.png")
    return {"clip": clip, "pictures": pictures}


@pytest.mark.parametrize(
    ("named", "before", "now", "message"),
    [
        ("clip", [], ["--start", "0.08"], "frames.start_at 0.0 (now 0.08)"),
        ("clip", ["--start", "0.04"], ["--start", "0:00.08"], "frames.start_at 0.04 (now 0.08)"),
        ("clip", ["--start", "0.04"], [], "frames.start_at 0.04 (now 0.0)"),
        ("clip", [], ["--stop", "0.1"], "frames.stop_at None (now 0.1)"),
        ("clip", [], ["--baseline", "low"], "baseline absent (now low)"),
        ("clip", ["--baseline", "low"], ["--baseline", "0,0:01"], "baseline low (now (0.0, 1.0))"),
        ("clip", [], ["--region", "0,0,0.5,1"], "boxes.region None (now (0.0, 0.0, 0.5, 1.0))"),
        ("clip", ["--person", "largest"], ["--person", "1"], "faces.person largest (now 1)"),
        ("clip", ["--sound", "auto"], [], "sound talk.wav of "),
        ("clip", [], ["--sound", "auto"], "sound talk.wav of "),
        ("pictures", [], ["--fps", "10"], "frames.sequence_fps 25.0 (now 10.0)"),
        ("pictures", [], ["--stills"], "input shots (now shots.png)"),
        ("pictures", ["--stills"], [], "input shots.png (now shots)"),
    ],
)
def test_a_table_of_other_options_is_not_kept(avfer, pipeline, inputs, tmp_path, named, before, now, message):
    words = ["run", pipeline, "--input", inputs[named], "--output", tmp_path / "out"]
    first = avfer(*words, *before)
    assert first.code == 0, first.err
    content = first.paths[0].read_bytes()
    again = avfer(*words, *before)
    assert (again.code, again.paths) == (0, first.paths) and "kept" in again.err
    changed = avfer(*words, *now)
    assert (changed.code, changed.out) == (2, "")
    assert f"{first.paths[0]} was made by " in changed.err and message in changed.err and "(now " in changed.err
    assert first.paths[0].read_bytes() == content
    assert avfer(*words, *now, "--overwrite").code == 0
    assert first.paths[0].read_bytes() != content


def test_a_start_is_the_same_however_it_is_written(avfer, pipeline, inputs, tmp_path):
    words = ["run", pipeline, "--input", inputs["clip"], "--output", tmp_path / "out"]
    assert avfer(*words, "--start", "0.08").code == 0
    again = avfer(*words, "--start", "0:00.08")
    assert again.code == 0 and "kept" in again.err
    assert read_table(again.paths[0])["frame"].to_pylist() == [2, 3, 4, 5]


def test_an_overlay_has_the_sound_that_was_used(avfer, pipeline, inputs, tmp_path):
    words = ["run", pipeline, "--input", inputs["clip"], "--output", tmp_path / "out", "--sound", "auto", "--overlay"]
    done = avfer(*words)
    assert done.code == 0, done.err
    with av.open(str(done.paths[1])) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}


def test_a_warning_of_the_pipeline_is_shown_once_with_the_number_of_clips(avfer, steady, clip, tmp_path):
    other = write_clip(tmp_path / "other.mp4", stripes(4))
    result = avfer("run", steady, "--input", clip, other, "--output", tmp_path / "out", "--fps", "5")
    assert result.code == 0 and result.err.count("avfer: warning: ") == 1
    assert f"(2 clips; the first is {clip})" in result.err
