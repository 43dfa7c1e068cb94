"""`avfer run --blur` and `--numbers-only`: what is written, what is recorded, and what is refused."""

from pathlib import Path

import pytest
from pyarrow.parquet import read_schema

from avfer.export.overlay import VideoOverlay
from avfer.pipeline import load

PIPELINE = """\
stages:
  frames: {use: decode_video, from: span}
  boxes: {use: detect_faces, from: frames, detector: "tests.toy_detector:Squares"}
  affect: {use: "tests.steady_stage:SteadyFace", from: frames}
output: affect
"""


def test_blur_makes_an_overlay_that_is_not_kept_for_another_choice(avfer, clip, tmp_path):
    (tmp_path / "squares.yaml").write_text(PIPELINE)
    words = ["run", tmp_path / "squares.yaml", "--input", clip, "--output", tmp_path / "out"]
    done = avfer(*words, "--blur", "all")
    assert done.code == 0, done.err
    assert [path.name for path in done.paths] == ["talk.parquet", "talk.overlay.mp4"]
    assert VideoOverlay.read_metadata(done.paths[1])["overlay_blur"] == "all"
    for other, now in (("others", "others"), ("", "none")):
        again = avfer(*words, *(["--blur", other] if other else ["--overlay"]))
        assert again.code == 2 and f"overlay_blur all (now {now})" in again.err


@pytest.mark.parametrize("text", ["none", "", "ALL"])
def test_an_unknown_blur_exits_with_2_and_names_the_choices(avfer, steady, clip, tmp_path, text):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", "--blur", text)
    assert result.code == 2 and f"--blur: must be 'others' or 'all', got '{text}'" in result.err
    assert not (tmp_path / "out").exists()


def test_numbers_only_is_recorded_and_writes_the_table_alone(avfer, steady, clip, tmp_path):
    words = ["run", steady, "--input", clip, "--output", tmp_path / "out"]
    done = avfer(*words, "--numbers-only")
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["talk.parquet"]
    assert read_schema(done.paths[0]).metadata[b"numbers_only"] == b"true"
    again = avfer(*words)
    assert again.code == 2 and "numbers_only True (now absent)" in again.err


@pytest.mark.filterwarnings("always")
def test_numbers_only_names_the_pages_of_earlier_runs_that_show_pictures(avfer, steady, clip, tmp_path):
    words = ["run", steady, "--input", clip, "--output", tmp_path / "out", "--overwrite"]
    assert avfer(*words, "--report").code == 0
    done = avfer(*words, "--numbers-only")
    page = tmp_path / "out" / "talk.html"
    assert done.code == 0 and f"show pictures and stay: {page}; delete them" in " ".join(done.err.split())
    assert "show pictures" not in avfer(*words, "--numbers-only", "--report").err, "the page is replaced"
    assert "show pictures" not in avfer(*words, "--numbers-only").err, "the page has no pictures now"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--overlay"], "'overlay' (--overlay, --draw, --blur) shows pictures of the clip; leave it out"),
        (["--draw", "pose"], "'overlay' (--overlay, --draw, --blur) shows pictures"),
        (["--blur", "all"], "'overlay' (--overlay, --draw, --blur) shows pictures"),
        (["--export", "tests.cli.test_run_privacy:FirstFrame"], "'tests.cli.test_run_privacy:FirstFrame' shows"),
    ],
)
def test_numbers_only_refuses_what_shows_pictures(avfer, steady, clip, tmp_path, arguments, message):
    result = avfer("run", steady, "--input", clip, "--output", tmp_path / "out", "--numbers-only", *arguments)
    assert result.code == 2 and message in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["run", "label"])
def test_numbers_only_refuses_clips_that_would_be_copied_to_the_disk(avfer, steady, clip, tmp_path, command):
    arguments = [command, steady, "--input", clip.as_uri(), "--output", tmp_path / "out", "--numbers-only"]
    result = avfer(*arguments)
    assert result.code == 2 and "would be copied to this disk while it is read; copy it yourself" in result.err
    assert not (tmp_path / "out").exists()


def test_a_table_of_numbers_only_is_not_exported_with_pictures(avfer, steady, clip, tmp_path):
    load(steady, "cpu", numbers_only=True).run(clip).save(tmp_path / "talk.parquet")
    refused = avfer("export", "overlay", tmp_path / "talk.parquet", "--output", tmp_path / "talk.mkv")
    assert refused.code == 2 and "numbers_only: 'overlay'" in refused.err
    assert avfer("export", "csv", tmp_path / "talk.parquet", "--output", tmp_path / "talk.csv").code == 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_text_table_of_numbers_only_is_not_exported_with_pictures_either(avfer, steady, clip, tmp_path, suffix):
    words = ["--input", clip, "--output", tmp_path / "out", "--numbers-only", "--format", suffix]
    (table,) = avfer("run", steady, *words).paths
    refused = avfer("export", "overlay", table, "--clip", clip, "--output", tmp_path / "talk.mkv")
    assert refused.code == 2 and "numbers_only: 'overlay'" in refused.err
    assert avfer("report", table, "--clip", clip, "--output", tmp_path / "page.html").code == 0
    assert "image/jpeg" not in (tmp_path / "page.html").read_text()


def test_a_table_of_numbers_only_is_exported_to_elan_without_the_clip(avfer, steady, clip, tmp_path):
    load(steady, "cpu", numbers_only=True).run(clip).save(tmp_path / "talk.parquet")
    clip.rename(tmp_path / "gone.mp4")
    done = avfer("export", "elan", tmp_path / "talk.parquet", "--output", tmp_path / "talk.eaf")
    assert done.code == 0 and "does not exist" not in done.err
    document = (tmp_path / "talk.eaf").read_text()
    assert "MEDIA_DESCRIPTOR" not in document and clip.name not in document
    assert document.count("LINKED_FILE_DESCRIPTOR") == 2


def test_a_pipeline_whose_numbers_only_is_no_truth_value_exits_with_2(avfer, steady, clip, tmp_path):
    result = avfer("run", steady, "--input", clip, "--set", "numbers_only=perhaps", "--output", tmp_path / "out")
    assert result.code == 2 and "numbers_only: must be true or false, got" in result.err


class FirstFrame:
    """An exporter from outside avfer that reads the frames."""

    suffix = ".png"
    needs_frames = True

    def write(self, table: object, clip: Path, path: Path) -> None:
        """Write nothing; it is never called."""


def test_a_report_beside_a_blurred_overlay_has_no_pictures(avfer, clip, tmp_path):
    (tmp_path / "squares.yaml").write_text(PIPELINE)
    words = ["run", tmp_path / "squares.yaml", "--input", clip, "--output", tmp_path / "out", "--report"]
    done = avfer(*words, "--blur", "all")
    assert done.code == 0, done.err
    page = done.paths[1].read_text()
    assert done.paths[1].suffix == ".html" and "made without the video and without pictures" in page
    assert "talk.mp4#" not in page and 'src="' not in page and "data:image/jpeg" not in page
    again = avfer(*words)
    assert again.code == 2 and "report_video left out (now none)" in again.err


def test_a_page_on_a_table_of_numbers_only_does_not_embed_the_video(avfer, steady, clip, tmp_path):
    load(steady, "cpu", numbers_only=True).run(clip).save(tmp_path / "talk.parquet")
    words = ["report", tmp_path / "talk.parquet", "--output", tmp_path / "talk.html"]
    refused = avfer(*words, "--embed")
    assert (
        refused.code == 2
        and "numbers_only: the table of talk.mp4 forbids a page that contains its video" in refused.err
    )
    assert not (tmp_path / "talk.html").exists()
    assert avfer(*words).code == 0
    assert "made without the video and without pictures" in (tmp_path / "talk.html").read_text()
