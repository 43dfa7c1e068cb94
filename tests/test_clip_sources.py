"""The clip that a caller gives: a file or arrays, and what belongs to neither."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avfer.clip_sources import resolve_clip
from avfer.errors import ConfigError

DEMO = Path(__file__).parent / "data" / "demo.mp4"
FRAMES = np.zeros((2, 8, 8, 3), np.uint8)


def test_a_file_and_its_sound_may_be_texts_with_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(DEMO.parent))
    clip, media = resolve_clip("~/demo.mp4", "~/demo.wav", None, None, None)
    assert (clip.path, clip.sound, clip.arrays) == (DEMO, DEMO.with_suffix(".wav"), None)
    assert media.video is not None


def test_arrays_have_25_frames_per_second_unless_stated() -> None:
    assert resolve_clip(FRAMES, None, None, None, None)[1].duration == 2 / 25
    assert resolve_clip(FRAMES, None, 10, None, None)[1].duration == 2 / 10


@pytest.mark.parametrize(
    ("clip", "options", "message"),
    [
        (DEMO, {"fps": 5}, r"fps: belongs to frames in memory; .* sequence_fps=10"),
        (DEMO, {"audio": np.zeros(99), "sample_rate": 16000}, "audio and sample_rate: belong to frames in memory"),
        (DEMO, {"sample_rate": 16000}, "audio and sample_rate: belong to frames in memory"),
        (FRAMES, {"sound": np.zeros(99)}, "sound: must be a path, got ndarray; samples are given as audio="),
        (FRAMES, {"sound": DEMO, "audio": np.zeros(99)}, "sound and audio: give one of them"),
        ("", {}, "a path is empty"),
        ("s3://corpus/a.mp4", {}, "clip: must be a local file, got s3://corpus/a.mp4; avfer.label and"),
    ],
)
def test_what_would_change_nothing_or_is_no_path_is_refused(clip: Any, options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"sound": None, "fps": None, "audio": None, "sample_rate": None} | options
    with pytest.raises(ConfigError, match=message):
        resolve_clip(clip, **given)
