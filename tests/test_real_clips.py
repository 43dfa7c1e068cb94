"""Whole pipelines on real clips; skipped unless the clips are in `../shared/data/clips` beside the project."""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from avfer.affect_track import AffectTrack
from avfer.errors import MediaError
from avfer.pipeline import Pipeline, load
from tests.laws import assert_same

CLIPS = Path(__file__).parents[1] / ".." / "shared" / "data" / "clips"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips of ../shared/data are missing"),
]

INDEX = (
    {row["file"]: row for row in csv.DictReader((CLIPS / "index.csv").read_text().splitlines())}
    if CLIPS.is_dir()
    else {}
)
WITH_VIDEO = [name for name, row in INDEX.items() if row["frames"]]


@cache
def loaded(pipeline: str, chunk: float) -> Pipeline:
    """Return a pipeline that reads clips in chunks of so many seconds."""
    return load(pipeline, device="cpu", chunk=chunk)


@cache
def rows_of(name: str, pipeline: str, chunk: float) -> AffectTrack:
    """Return the rows of a real clip without their provenance."""
    return replace(loaded(pipeline, chunk).run(CLIPS / name), source=None)


def run(name: str, pipeline: str = "aver", chunk: float = 10.0) -> AffectTrack:
    """Return the rows of a real clip, computed once for all tests."""
    return rows_of(name, pipeline, chunk)


@pytest.mark.parametrize("name", WITH_VIDEO)
def test_every_frame_has_its_time_and_no_chunk_or_second_run_changes_a_value(name: str) -> None:
    track = run(name)
    table = track.to_pandas().drop_duplicates("frame")
    assert len(table) == int(INDEX[name]["frames"])
    with av.open(str(CLIPS / name)) as source:
        times = [frame.time for frame in source.decode(video=0)]
    if len(times) == len(table):  # a truncated file may end differently
        np.testing.assert_allclose(table.time_s.to_numpy(), np.array(times) - times[0], atol=1e-3)
    assert_same(run(name, chunk=0.5), track)


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("grid_brbk7n.mpg", 1), ("d_two_faces.mp4", 2), ("d_four_faces_grid.mkv", 4), ("lp_d13.mp4", 1),
        ("d_rot90_displaymatrix.mp4", 1), ("d_hevc10_flac.mkv", 1), ("d_interlaced_mpeg2_sar.ts", 1),
        ("pyfeat_no_face.mp4", 0), ("d_face_leaves_returns.mp4", 2), ("carphone_pristine.mp4", 1),
    ],
)  # fmt: skip
def test_every_person_is_one_track(name: str, people: int) -> None:
    table = run(name, "vision").to_pandas()
    assert table.track.nunique() == people


@pytest.mark.parametrize(
    ("name", "neutral", "smile"),
    [("pyfeat_single_face.mp4", (0.0, 0.3), (1.0, 2.0)), ("lp_d0.mp4", (0.0, 0.3), (2.4, 3.0))],
)
@pytest.mark.parametrize("pipeline", ["vision", "aver"])
def test_a_smile_raises_valence_and_happiness(
    name: str, neutral: tuple[float, float], smile: tuple[float, float], pipeline: str
) -> None:
    table = run(name, pipeline).to_pandas()
    before, after = (table[table.time_s.between(*span)] for span in (neutral, smile))
    assert after.valence.mean() > before.valence.mean() + 0.2
    assert after.p_happiness.mean() > before.p_happiness.mean() + 0.2


def test_a_sound_file_gives_rows_on_a_fixed_clock() -> None:
    table = run("d_audio_only.ogg").to_pandas()
    assert table.frame.isna().all() and set(table.reason) == {"no_picture", "no_speech"}
    assert np.diff(table.time_s).max() == pytest.approx(0.04)
    assert (table.valence.notna() == (table.reason == "no_picture")).all()
    assert (table.has_voice == (table.speech >= 0.5)).all() and table.has_voice.mean() > 0.5


@pytest.mark.parametrize("name", ["nasa_13013.mp4", "moviepy_chaplin.mp4", "d_black_video_with_speech.mp4"])
@pytest.mark.parametrize("pipeline", ["aver", "voice"])
def test_neither_face_nor_speech_gives_an_emotion(name: str, pipeline: str) -> None:
    table = run(name, pipeline).to_pandas()
    empty = table[~table.has_face & ~(table.speech >= 0.5).fillna(False)]
    assert len(empty) and (empty.reason == "no_speech").all()
    assert empty[["valence", "arousal", "expression"]].isna().all(axis=None)


def test_the_one_who_says_a_sentence_speaks_while_it_is_said() -> None:
    table = run("grid_brbk7n.mpg").to_pandas()
    assert ((table.speaking >= 0.5) == (table.speech >= 0.5)).mean() > 0.95
    assert 0.4 < table.has_voice.mean() < 0.7


def test_the_voice_pipeline_marks_a_clip_without_sound() -> None:
    table = run("carphone_pristine.mp4", "voice").to_pandas()
    assert (table.reason == "no_audio").all() and table.valence.isna().all()
    assert table.time_s.max() == pytest.approx(4.0, abs=0.1)


def test_a_pipeline_of_faces_alone_marks_a_sound_file_as_without_picture() -> None:
    assert (run("d_audio_only.ogg", "vision").to_pandas().reason == "no_picture").all()


def test_an_mp4_without_its_index_is_an_error() -> None:
    with pytest.raises(MediaError, match=r"d_truncated\.mp4"):
        run("d_truncated.mp4")
