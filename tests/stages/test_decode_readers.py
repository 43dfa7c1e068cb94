"""The readers decord and torchcodec against PyAV."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.errors import ConfigError, MediaError, MissingExtra
from avfer.stages import decode
from avfer.stages.decode import DecodeVideo
from avfer.types import Clip, Span
from tests.media_maker import stripes, tone, write_clip
from tests.stages.decoding import CLIPS, VARIABLE, decode_video, frames_of, needs_real_clips, turn


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
    parts = decode_video(clip, [0.3, 0.31, 0.9], reader)
    for found, wanted in zip(frames_of(parts), frames_of(decode_video(clip)), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ten.mkv", {"codec": "libx265", "pix_fmt": "yuv420p10le"}, "10 bits"),
        ("p.ts", {"codec": "mpeg2video"}, "mpegts has no index of frames"),
        ("two.mp4", {"more_frames": [stripes(20, 128, 192)]}, "counts 20 frames, the container 12"),
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}, r"correctly: \[\S*a.gif\] Failed to measure duration\S* .*"),
        ("equal.mp4", {"more_frames": [stripes(12, 128, 192)]}, "several video streams"),
        ("fields.mp4", {"options": {"preset": "ultrafast", "x264-params": "tff=1"}}, "interlaced"),
        ("411.mkv", {"codec": "ffv1", "pix_fmt": "yuv411p"}, r"decodes the first frame \(yuv411p\) differently"),
    ],
)
def test_decord_refuses_files_that_it_would_misread(tmp_path: Path, name: str, options: dict, message: str):
    needs("decord")
    with pytest.raises(MediaError, match=rf"{message}; use reader 'pyav'"):
        decode_video(write_clip(tmp_path / name, stripes(), **options), reader="decord")


def test_decord_refuses_mirrored_pictures(tmp_path: Path):
    needs("decord")
    clip = turn(write_clip(tmp_path / "a.mp4", stripes()), tmp_path / "mirrored.mp4", 0, mirror=True)
    with pytest.raises(MediaError, match=r"mirrored for display; use reader 'pyav'"):
        decode_video(clip, reader="decord")


def test_a_reader_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'avfer\[torchcodec\]'"):
        DecodeVideo("torchcodec")


def test_an_unknown_reader_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'pyav'"):
        DecodeVideo("pyaw")


def needs(reader: str) -> None:
    """Skip the test unless the library can be imported."""
    try:
        __import__(reader)
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchcodec without FFmpeg's libraries
        pytest.skip(f"{reader} cannot be used here: {str(error)[:80]}")


@pytest.mark.parametrize("reader", ["decord", "torchcodec"])
def test_readers_agree_after_a_start_in_a_video_that_is_refreshed_bit_by_bit(tmp_path: Path, reader: str):
    """Its frames are refreshed column by column, so that one after a key frame still depends on those before it."""
    needs(reader)
    refreshed = {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=24"}
    clip = Clip(write_clip(tmp_path / "a.mp4", np.concatenate([stripes(50)] * 4), options=refreshed))
    first, second = (DecodeVideo(name, start_at=5.0) for name in ("pyav", reader))
    _, wanted = first.step(first.start(), Span(clip, 0.0, 1e9))
    _, found = second.step(second.start(), Span(clip, 0.0, 1e9))
    assert found.clock.frame_numbers.tolist() == wanted.clock.frame_numbers.tolist() == list(range(125, 200))
    assert torch.equal(found.pixels, wanted.pixels)


@needs_real_clips
@pytest.mark.parametrize("reader", ["decord", "torchcodec"])
@pytest.mark.parametrize("name", ["d_vfr.mp4", "d_rot90_displaymatrix.mp4", "ravdess_01-01-01-01-01-01-01.mp4"])
def test_readers_agree_on_real_clips(reader: str, name: str):
    needs(reader)
    cuts = list(np.arange(0.5, 12, 0.5))
    for found, wanted in zip(decode_video(CLIPS / name, cuts, reader), decode_video(CLIPS / name, cuts), strict=True):
        np.testing.assert_array_equal(found.clock.times, wanted.clock.times)
        assert torch.equal(found.pixels, wanted.pixels)


@needs_real_clips
def test_decord_refuses_frames_behind_hidden_ones():
    needs("decord")
    with pytest.raises(MediaError, match="hides frames before others"):
        decode_video(CLIPS / "pyfeat_no_face.mp4", reader="decord")
