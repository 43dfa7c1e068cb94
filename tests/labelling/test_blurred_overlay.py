"""`avfer label --blur` also writes the video of each clip with blurred faces, and keeps it like a table."""

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from avfer.errors import MediaError
from tests.conftest import Result
from tests.labelling.corpora import InProcess
from tests.media_maker import tone, write_clip
from tests.toy_detector import squares_clip

Label = Callable[..., Result]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_clip(folder / "talk.mkv", squares_clip(4), 10)
    return folder


@pytest.fixture
def label(avfer: Callable[..., Result], in_process: object, corpus: Path, tmp_path: Path) -> Label:
    """`label("--blur", "all")` labels the corpus into tmp_path/out in this process."""

    def call(*options: object, command: str = "label", output: str = "out") -> Result:
        shared = ("vision", "--input", corpus, "--output", tmp_path / output, "--device", "cpu", "--quiet")
        return avfer(command, *shared, "--set", "boxes.detector=tests.toy_detector:Squares", *options)

    return call


def frames(path: Path) -> np.ndarray:
    """Return the frames of a video: (T, H, W, 3) uint8."""
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def test_each_clip_has_the_overlay_that_run_writes(label: Label, tmp_path: Path) -> None:
    result = label("--blur", "all")
    overlay = tmp_path / "out/clips/talk.mkv.overlay.mp4"
    assert result.code == 0
    assert result.out.split() == [str(tmp_path / "out/clips/talk.mkv.parquet"), str(overlay)]
    label("--blur", "all", command="run", output="run")
    label("--overlay", command="run", output="plain")
    assert np.array_equal(frames(overlay), frames(tmp_path / "run/talk.overlay.mp4"))
    assert not np.array_equal(frames(overlay), frames(tmp_path / "plain/talk.overlay.mp4"))


def test_an_overlay_that_is_there_is_kept(label: Label) -> None:
    label("--blur", "all")
    assert label("--blur", "all").out == ""
    assert label().out == ""


def test_only_the_overlay_of_a_labelled_clip_is_made(label: Label, tmp_path: Path) -> None:
    label()
    table, overlay = tmp_path / "out/clips/talk.mkv.parquet", tmp_path / "out/clips/talk.mkv.overlay.mp4"
    written = table.stat().st_mtime_ns
    assert str(overlay) in label("--blur", "others").out
    assert str(overlay) in label("--blur", "all").out, "blurs other faces than before"
    overlay.unlink()
    assert str(overlay) in label("--blur", "all").out
    assert overlay.exists() and table.stat().st_mtime_ns == written


def test_a_clip_stays_done_if_only_its_overlay_cannot_be_written(
    label: Label, in_process: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label()
    marker = tmp_path / "out/done/talk.mkv.json"
    before = marker.read_text()

    def fail(*_: object) -> None:
        raise MediaError("'talk.mkv' cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr("avfer.labelling.label_clip.write_overlay", fail)
        failed = label("--blur", "all")
    in_process.crashes = {"talk.mkv": 2}
    lost = label("--blur", "all")
    for result, reason in ((failed, "'talk.mkv' cannot be read"), (lost, "its worker fell over")):
        assert result.code == 3 and f"warning: no overlay: {reason}" in result.err and "1 done, 0 failed" in result.err
    assert marker.read_text() == before and not list((tmp_path / "out").glob("failed/*"))
    assert label("--blur", "all").paths == [
        tmp_path / f"out/clips/talk.mkv.{name}" for name in ("parquet", "overlay.mp4")
    ]


@pytest.mark.parametrize("labelled", ["never", "with an overlay", "with an overlay of an earlier content"])
def test_a_new_table_stays_if_its_overlay_cannot_be_written(
    label: Label, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: str
) -> None:
    table, overlay = tmp_path / "out/clips/talk.mkv.parquet", tmp_path / "out/clips/talk.mkv.overlay.mp4"
    if labelled != "never":
        label("--blur", "all")
    if labelled == "with an overlay of an earlier content":
        write_clip(corpus / "talk.mkv", squares_clip(6), 10)

    def fail(*_: object) -> None:
        raise MediaError("'talk.mkv' cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr("avfer.labelling.label_clip.write_overlay", fail)
        result = label("--blur", "others")
    assert result.code == 3 and "1 done, 0 failed" in result.err
    assert overlay.exists() == (labelled == "with an overlay")
    written = table.stat().st_mtime_ns
    assert label("--blur", "others").code == 0 and overlay.exists() and table.stat().st_mtime_ns == written


def test_a_clip_that_is_labelled_again_without_its_overlay_failed(label: Label, tmp_path: Path, monkeypatch) -> None:
    """With --overwrite, a table that is done may be that of the earlier run."""
    label("--blur", "all")

    def fail(*_: object) -> None:
        raise MediaError("'talk.mkv' cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr("avfer.labelling.label_clip.write_overlay", fail)
        result = label("--blur", "all", "--overwrite")
    assert result.code == 3 and "0 done, 1 failed" in result.err
    assert label("--blur", "all", "--retry-failed").code == 0


def test_an_overlay_of_an_earlier_content_is_removed(label: Label, corpus: Path, tmp_path: Path) -> None:
    label("--blur", "all")
    write_clip(corpus / "talk.mkv", squares_clip(6), 10)
    label()
    assert not (tmp_path / "out/clips/talk.mkv.overlay.mp4").exists()
    assert label("--blur", "all").code == 0
    assert len(frames(tmp_path / "out/clips/talk.mkv.overlay.mp4")) == 6


def test_sound_alone_has_no_overlay(label: Label, corpus: Path, tmp_path: Path) -> None:
    (corpus / "talk.mkv").unlink()
    write_clip(corpus / "talk.wav", sound=tone(1.0, 16000), sample_rate=16000)
    assert label("--blur", "all").code == 0
    assert json.loads((tmp_path / "out/done/talk.wav.json").read_text())["overlay"] == {"blur": "all", "file": None}
    assert label("--blur", "all").out == ""


def test_an_overlay_in_the_corpus_is_no_clip(label: Label, corpus: Path) -> None:
    label("--blur", "all", output="corpus/labels")
    assert (corpus / "labels/clips/talk.mkv.overlay.mp4").exists()
    assert label("--blur", "all", output="corpus/labels").out == ""


@pytest.mark.parametrize("options", [("--blur", ""), ("--blur", "everyone"), ("--blur", "all", "--numbers-only")])
def test_wrong_options_are_refused_before_any_work(label: Label, tmp_path: Path, options: tuple[str, ...]) -> None:
    result = label(*options)
    assert result.code == 2 and "blur" in result.err and not (tmp_path / "out").exists()
