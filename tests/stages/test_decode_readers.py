from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.errors import ConfigError, MediaError, MissingExtra
from avfer.stages import decode
from avfer.stages.decode import DecodeVideo
from tests.media_maker import stripes, tone, write_clip
from tests.stages.watching import CLIPS, VARIABLE, frames_of, real, watch


@pytest.mark.parametrize("reader", ["decord", "torchcodec"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cfr.mp4", {"sound": tone(0.5)}),
        ("vfr.mp4", {"times": VARIABLE}),
        ("vfr.mkv", {"times": [time + 1.5 for time in VARIABLE]}),
        ("turned.mp4", {"rotation": 90}),
        ("many.mp4", {"fps": 50, "options": {"g": "5", "bf": "3"}}),
    ],
)
def test_readers_agree_to_the_last_bit_on_h264(tmp_path: Path, reader: str, name: str, options: dict):
    needs(reader)
    clip = write_clip(tmp_path / name, stripes(30) if name == "many.mp4" else stripes(), **options)
    parts = watch(clip, [0.3, 0.31, 0.9], reader)
    for found, wanted in zip(frames_of(parts), frames_of(watch(clip)), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ten.mkv", {"codec": "libx265", "pix_fmt": "yuv420p10le"}, "10 bits"),
        ("p.ts", {"codec": "mpeg2video"}, "mpegts has no index of frames"),
        ("two.mp4", {"more_frames": [stripes(20, 128, 192)]}, "counts 20 frames, the container 12"),
    ],
)
def test_decord_refuses_what_it_would_misread(tmp_path: Path, name: str, options: dict, message: str):
    needs("decord")
    with pytest.raises(MediaError, match=rf"{message}; use reader 'pyav'"):
        watch(write_clip(tmp_path / name, stripes(), **options), reader="decord")


def test_a_reader_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'avfer\[torchcodec\]'"):
        DecodeVideo("torchcodec")


def test_an_unknown_reader_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'pyav'"):
        DecodeVideo("pyaw")


def needs(reader: str) -> None:
    try:
        __import__(reader)
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchcodec without FFmpeg's libraries
        pytest.skip(f"{reader} cannot be used here: {str(error)[:80]}")


@real
@pytest.mark.parametrize("reader", ["decord", "torchcodec"])
@pytest.mark.parametrize("name", ["d_vfr.mp4", "d_rot90_displaymatrix.mp4", "ravdess_01-01-01-01-01-01-01.mp4"])
def test_readers_agree_on_real_clips(reader: str, name: str):
    needs(reader)
    cuts = list(np.arange(0.5, 12, 0.5))
    for found, wanted in zip(watch(CLIPS / name, cuts, reader), watch(CLIPS / name, cuts), strict=True):
        np.testing.assert_array_equal(found.clock.times, wanted.clock.times)
        assert torch.equal(found.pixels, wanted.pixels)


@real
def test_decord_refuses_frames_behind_hidden_ones():
    needs("decord")
    with pytest.raises(MediaError, match="hides frames before others"):
        watch(CLIPS / "pyfeat_no_face.mp4", reader="decord")
