"""Separate sound files: which file belongs to a clip, in `avfer run`, `avfer label` and Python alike."""

import pyarrow.parquet
import pytest

import avfer as package
from avfer.errors import ConfigError
from avfer.inputs import find_clips
from avfer.sound_files import belongs_to_clip, find_sound, with_sound
from tests.media_maker import stripes, tone, write_clip
from tests.test_inputs import touch


def test_auto_finds_the_file_of_the_same_name_with_an_audio_ending(tmp_path):
    touch(tmp_path, "a.mp4", "a.wav", "a.txt", "ab.wav", "b.mp4")
    assert find_sound("auto", str(tmp_path / "a.mp4")) == tmp_path / "a.wav"
    assert find_sound("auto", str(tmp_path / "b.mp4")) is None
    assert find_sound("auto", str(tmp_path / "a.wav")) is None
    assert find_sound(None, str(tmp_path / "a.mp4")) is None


def test_a_pattern_is_relative_to_the_folder_of_the_clip(tmp_path):
    touch(
        tmp_path,
        "video/a[1].mp4",
        "video/b.mp4",
        "audio/b.mp4",
        "audio/a[1].flac",
        "audio/a1.flac",
        "video/a[1]_mic.wav",
    )
    clip = str(tmp_path / "video/a[1].mp4")
    assert find_sound("../audio/{stem}.*", clip) == tmp_path / "video/../audio/a[1].flac"
    assert find_sound("{stem}_mic.wav", clip) == tmp_path / "video/a[1]_mic.wav"
    assert find_sound("../audio/{stem}.*", str(tmp_path / "video/b.mp4")) == tmp_path / "video/../audio/b.mp4"
    assert find_sound(str(tmp_path / "audio/a1.flac"), clip) == tmp_path / "audio/a1.flac"


@pytest.mark.parametrize(("rule", "message"), [("{stem}_mic.wav", "no file matches"), ("*.wav", "several files fit")])
def test_a_pattern_must_match_one_file(tmp_path, rule, message):
    touch(tmp_path, "a.mp4", "x.wav", "y.wav")
    with pytest.raises(ConfigError, match=f"--sound .*{message}"):
        find_sound(rule, str(tmp_path / "a.mp4"))


def test_sound_files_of_clips_are_no_clips_of_their_own(tmp_path):
    touch(tmp_path, "a.mp4", "a.wav", "alone.wav")
    belong = {name: belongs_to_clip("auto", str(tmp_path / name)) for name in ("a.wav", "alone.wav", "a.mp4")}
    assert belong == {"a.wav": True, "alone.wav": False, "a.mp4": False}
    assert belongs_to_clip("{stem}.wav", str(tmp_path / "alone.wav"))
    assert not belongs_to_clip(None, str(tmp_path / "a.wav"))


def test_size_and_time_of_a_clip_include_its_sound(tmp_path):
    touch(tmp_path, "a.mp4", "a.wav")
    clip = next(file for file in find_clips([str(tmp_path)]) if file.id == "a.mp4")
    both = with_sound(clip, "auto")
    assert both.size == clip.size + 5 and both.sound == str(tmp_path / "a.wav")


@pytest.mark.usefixtures("in_process")
def test_run_label_and_python_read_the_same_sound(avfer, tmp_path):
    """The film has no sound of its own; all three give the values of its separate sound file, a tone read as speech."""
    read_tone = ("--sound", "auto", "--set", "spoken.threshold=0")
    (tmp_path / "in").mkdir()
    film = write_clip(tmp_path / "in/talk.mp4", stripes(25))
    write_clip(tmp_path / "in/talk.wav", sound=tone(1.0, 16000), sample_rate=16000)
    run = avfer("run", "voice", "--input", tmp_path / "in", "--output", tmp_path / "out", *read_tone)
    assert (run.code, run.paths) == (0, [tmp_path / "out/talk.parquet"])
    found = pyarrow.parquet.read_table(run.paths[0])
    assert found["valence"].null_count == 0 and set(found["has_voice"].to_pylist()) == {True}
    sound = tmp_path / "in/talk.wav"
    assert package.load("voice", **{"spoken.threshold": 0}).run(film, sound).to_table().equals(found)
    labelled = avfer("label", "voice", "--input", tmp_path / "in", "--output", tmp_path / "labels", *read_tone)
    assert labelled.code == 0 and pyarrow.parquet.read_table(labelled.paths[0]).equals(found)
    write_clip(sound, sound=tone(0.9, 16000), sample_rate=16000)
    assert avfer("run", "voice", "--input", tmp_path / "in", "--output", tmp_path / "out", *read_tone).code == 2
    again = avfer("label", "voice", "--input", tmp_path / "in", "--output", tmp_path / "labels", *read_tone)
    assert len(again.paths) == 1
