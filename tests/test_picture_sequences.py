"""Sequences of pictures, stills and frames in memory: the rows are those of the same frames in a video file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from avfer.errors import AvferWarning, ConfigError, MediaError
from avfer.inputs import find_clips
from avfer.media import probe
from avfer.picture_files import find_pictures, is_sequence
from avfer.pipeline import Pipeline, load
from avfer.stages.decode import DecodeVideo
from avfer.types import Clip, FrameBatch, Span
from tests.media_maker import stripes, tone, write_clip
from tests.stages.decoding import numbers

TRIALS = Path(__file__).parents[1] / "../shared/data/trials"
FRAMES_ONLY = """\
stages:
  frames: {use: decode_video, from: span}
  affect: {use: "tests.toy_stages:TimeAsValence", from: frames}
output: affect
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures whose order by name differs from that by text: f1.png, ..., f12.png."""
    (tmp_path / "shots").mkdir()
    for number, picture in enumerate(stripes(12)):
        Image.fromarray(picture).save(tmp_path / "shots" / f"f{number + 1}.png")
    (tmp_path / "shots" / "notes.txt").write_text("x")
    return tmp_path / "shots"


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    (tmp_path / "frames.yaml").write_text(FRAMES_ONLY)
    return load(tmp_path / "frames.yaml", sequence_fps=10)


def decode(path: Path, **options: float) -> FrameBatch:
    stage = DecodeVideo(**options)
    return stage.step(stage.start(), Span(Clip(path), 0.0, 1e9))[1]


@pytest.mark.parametrize("pattern", ["", "f%d.png", "f%01d.png"])
def test_a_folder_or_a_pattern_of_pictures_is_one_clip(folder: Path, pattern: str) -> None:
    batch = decode(folder / pattern, sequence_fps=10.0)
    assert numbers(batch.pixels) == list(range(12))
    np.testing.assert_allclose(batch.clock.times, np.arange(12) / 10)
    assert not batch.clock.corrupt.any() and batch.clock.last
    media = probe(folder / pattern)
    assert media.video is not None and (media.video.width, media.video.height, media.audio) == (96, 64, None)


def test_a_folder_has_25_pictures_a_second_unless_the_user_states_another_rate(folder: Path) -> None:
    times = decode(folder).clock.times
    assert len(times) > 2 and times == pytest.approx(np.arange(len(times)) * 0.04)


def test_a_video_keeps_its_rate_with_a_warning_that_names_the_right_option(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", stripes(4))
    with pytest.warns(AvferWarning, match="videos keep their own.*the option fps"):
        batch = decode(tmp_path / "a.mp4", sequence_fps=10.0)
    np.testing.assert_allclose(batch.clock.times, np.arange(4) / 25)


def test_a_damaged_picture_keeps_its_place_and_is_marked(folder: Path) -> None:
    for number in (1, 5):
        (folder / f"f{number}.png").write_bytes(b"\x89PNG damaged")
    batch = decode(folder)
    assert numbers(batch.pixels) == [1, 1, 2, 3, 3, *range(5, 12)]
    assert np.flatnonzero(batch.clock.corrupt).tolist() == [0, 4]


@pytest.mark.parametrize(("names", "warns"), [([17, 18, 19], 1), ([1, 2, 4], 1), ([0, 1, 2], 0), ([0, 40, 80], 0)])
def test_frames_that_are_not_the_numbers_in_the_names_raise_a_warning(
    folder: Path, recwarn: pytest.WarningsRecorder, names: list[int], warns: int
) -> None:
    for file, number in zip(find_pictures(folder), names, strict=False):
        (folder / "crops").mkdir(exist_ok=True)
        file.rename(folder / "crops" / f"{number:05d}.png")
    assert numbers(decode(folder / "crops").pixels) == [0, 1, 2]
    texts = [str(one.message) for one in recwarn.list]
    assert len(texts) == warns and all("has 3 pictures" in text and f"to {names[-1]:05d}.png" in text for text in texts)


def test_a_folder_without_pictures_is_no_sequence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="has no picture"):
        find_pictures(tmp_path / "empty")
    with pytest.raises(MediaError, match="no file matches the pattern"):
        find_pictures(tmp_path / "x%04d.png")
    assert not is_sequence(write_clip(tmp_path / "per%03dcent.mkv", stripes(2)))


def test_the_overlays_of_photographs_that_avfer_wrote_are_not_read_as_pictures(folder: Path) -> None:
    for name in ("f1.parquet", "f1.overlay.jpg", "mine.overlay.jpg"):
        (folder / name).touch()
    names = [picture.name for picture in find_pictures(folder)]
    assert "mine.overlay.jpg" in names and "f1.overlay.jpg" not in names and len(names) == 13


def test_a_folder_with_videos_that_is_run_as_one_clip_warns(folder: Path, pipeline: Pipeline) -> None:
    write_clip(folder / "talk.mp4", stripes(2))
    with pytest.warns(AvferWarning, match="one clip of 12 pictures, without the videos in it"):
        assert len(pipeline.run(folder)) == 12
    (folder / "talk.mp4").rename(folder / "shots.overlay.mp4")
    assert len(pipeline.run(folder)) == 12


def test_an_input_folder_of_pictures_is_one_clip_and_with_stills_many(folder: Path, tmp_path: Path) -> None:
    (sequence,) = find_clips([str(folder)])
    assert (sequence.id, sequence.path) == ("shots", str(folder))
    assert [clip.id for clip in find_clips([str(folder)], stills=True)] == [f"shots/f{n}.png" for n in range(1, 13)]
    (pattern,) = find_clips([str(folder / "f%d.png")])
    assert pattern.id == "f%d.png" and len(find_clips([str(folder / "f%d.png")], stills=True)) == 12
    assert [clip.id for clip in find_clips([str(tmp_path)])] == ["shots"]
    assert find_clips([str(tmp_path)], stills=True)[0].id == "shots/f1.png"
    write_clip(folder / "talk.mkv", stripes(2))  # pictures beside media are no clips
    with pytest.warns(AvferWarning, match="skipped 12 pictures in"):
        assert [clip.id for clip in find_clips([str(folder)])] == ["talk.mkv"]


def test_the_content_mark_of_a_sequence_changes_with_its_pictures(folder: Path) -> None:
    before = find_clips([str(folder)])[0].content_mark
    assert find_clips([str(folder)])[0].content_mark == before
    Image.fromarray(stripes(1)[0]).save(folder / "f13.png")
    assert find_clips([str(folder)])[0].content_mark != before


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, list])
def test_frames_in_memory_have_the_rows_of_the_same_pictures(folder: Path, pipeline: Pipeline, make: type) -> None:
    table = pipeline.run(folder).to_table()
    same = pipeline.run(make(stripes(12)), fps=10).to_table()
    for column in ("frame", "time_s", "valence"):
        assert table[column].to_pylist() == same[column].to_pylist()
    assert same["clip"][0].as_py() == "array"


@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_audio_in_memory_has_the_rows_of_the_same_file(tmp_path: Path, kind: type) -> None:
    wave = tone(3.0, 16000, channels=2)
    level = np.round(wave * 2**15) / 2**15
    clip = write_clip(tmp_path / "a.wav", sound=level.astype(np.float32), sample_rate=16000, sound_codec="pcm_s16le")
    voice = load("voice", device="cpu", **{"spoken.threshold": 0.0})  # it reads a tone
    audio = (level * 2**15).astype(np.int16) if kind is np.int16 else level.astype(np.float32)
    found = voice.run(stripes(30), fps=10, audio=audio, sample_rate=16000)
    np.testing.assert_allclose(found.valence, voice.run(clip).valence[: len(found.valence)], atol=1e-4)
    assert found.has_voice.all() and len(found.valence) == 75


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (np.zeros((2, 8, 8), np.uint8), {}, r"frames: must be \(T, H, W, 3\) uint8"),
        (np.zeros((2, 8, 8, 3)), {}, "float64"),
        (np.zeros((0, 8, 8, 3), np.uint8), {}, "at least one frame"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"fps": 0}, r"fps: must be in \(0, 1000\]"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"audio": np.zeros(9)}, "sample_rate: must be"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"audio": np.zeros(9, int), "sample_rate": 8000}, "audio: must be"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"audio": np.zeros((9, 2)), "sample_rate": 8000}, "give its transpose"),
        (np.zeros((2, 8, 8, 3), np.uint8), {"audio": np.full(9, 3e4), "sample_rate": 8000}, "got floats up to 30000"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)], {}, "a list of arrays that differ in shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    pipeline: Pipeline, frames: np.ndarray, options: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        pipeline.run(frames, **options)


@pytest.mark.usefixtures("pipeline", "in_process")
def test_run_and_label_write_the_rows_of_a_sequence(folder: Path, tmp_path: Path, avfer) -> None:
    yaml = tmp_path / "frames.yaml"
    run = avfer(
        "run", yaml, "--input", folder, "--output", tmp_path / "run", "--fps", "10", "--start", "0.5", "--overlay"
    )
    assert run.code == 0, run.err
    label = avfer("label", yaml, "--input", folder, "--output", tmp_path / "label", "--fps", "10", "--start", "0:00.5")
    assert label.code == 0, label.err
    import pyarrow.parquet as pq

    wanted = load(yaml, sequence_fps=10, start=0.5).run(folder).to_table()
    for path in (run.paths[0], label.paths[0]):
        table = pq.read_table(path)
        for column in ("frame", "time_s", "valence"):
            assert table[column].to_pylist() == wanted[column].to_pylist()
    assert wanted["frame"].to_pylist() == list(range(5, 12))
    shown = decode(run.paths[1])
    np.testing.assert_allclose(shown.clock.times, np.arange(7) / 10, atol=1e-3)


def test_stills_are_clips_of_one_frame(folder: Path, tmp_path: Path, avfer, pipeline: Pipeline) -> None:
    result = avfer("run", tmp_path / "frames.yaml", "--input", folder, "--output", tmp_path / "out", "--stills")
    assert result.code == 0, result.err
    assert [path.stem for path in result.paths] == [f"f{n}" for n in range(1, 13)]


@pytest.mark.skipif(not TRIALS.is_dir(), reason="the trials of ../shared/data are missing")
def test_the_pictures_of_the_trials_show_a_face_on_every_frame() -> None:
    table = load("vision", device="cpu").run(TRIALS / "frames_jpg").to_table()
    assert table["track"].null_count == 0 and set(table["track"].to_pylist()) == {0}
