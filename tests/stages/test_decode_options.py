"""Options that keep a part of a clip: every, fps, start_at, stop_at, channel."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avfer.errors import ConfigError, MediaError
from avfer.media import probe
from avfer.pipeline import load
from avfer.readers.pyav import AvPicture, decode_all
from avfer.readers.seek import find_key_frame, pictures
from avfer.readers.sound import End, Sound
from avfer.rows import concat_clocks
from avfer.stages.decode import DecodeVideo
from avfer.stages.decode_audio import DecodeAudio
from avfer.types import AudioBatch, Clip, Clock, FrameBatch, Span
from tests.media_maker import rewrite, spoil, stripes, tone, write_clip
from tests.stages.decoding import VARIABLE

RATE = 16000
DEMO = Path(__file__).parents[1] / "data" / "demo.mp4"


def run(stage: Any, path: Path, cuts: tuple[float, ...] = ()) -> list[Any]:
    """Return the batches of a stage for spans that end at these times (s), until the last one."""
    state, parts, stops = stage.start(), list[Any](), [*cuts]
    while True:
        state, part = stage.step(state, Span(Clip(path), 0.0, stops.pop(0) if stops else 1e9))
        parts.append(part)
        if part.clock.last if isinstance(part, FrameBatch) else part.last:
            return parts


def frames(path: Path, cuts: tuple[float, ...] = (), **options: Any) -> tuple[Clock, torch.Tensor]:
    """Return clock and pixels (T, H, W, 3) of all frames that are kept."""
    parts = run(DecodeVideo(**options), path, cuts)
    return concat_clocks([part.clock for part in parts]), torch.cat([part.pixels for part in parts])


def samples(path: Path, cuts: tuple[float, ...] = (), **options: Any) -> tuple[float, np.ndarray, AudioBatch]:
    """Return the time of the first sample (s), all samples (S,) and the last batch."""
    parts = run(DecodeAudio(**options), path, cuts)
    first = next(part for part in parts if part.samples.shape[1])
    assert first.first == 0
    return first.start, torch.cat([part.samples for part in parts], 1)[0].numpy(), parts[-1]


@pytest.mark.parametrize(
    ("options", "kept"), [({"stop_at": 1.0}, range(25)), ({"start_at": 1.0}, range(25, 30)), ({"fps": 1.0}, (0, 25))]
)
def test_a_time_that_is_rounded_down_belongs_to_the_second_that_it_begins(
    tmp_path: Path, options: dict[str, Any], kept: Sequence[int]
) -> None:
    clip = write_clip(tmp_path / "a.mkv", stripes(30), times=[0.007 + 0.04 * number for number in range(30)])
    clock, _ = frames(clip)
    assert clock.times[25] < 1.0  # 1.007 - 0.007
    clock, _ = frames(clip, **options)
    assert clock.frame_numbers.tolist() == list(kept)


@pytest.mark.parametrize("cuts", [(), (0.2, 0.3, 0.31, 0.9)])
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"every": 3}, [0, 3, 6, 9]),
        ({"fps": 5.0}, [0, 2, 4, 5, 7, 8, 9, 11]),  # the first frame from 0, 0.2, 0.4, ... s on
        ({"start_at": 0.2, "stop_at": 0.9}, [2, 3, 4, 5, 6]),
        ({"start_at": 0.21, "stop_at": "0:00:01.2", "every": 2}, [4, 6, 8]),
        ({"stop_at": 0.04}, [0]),
        ({"start_at": "00:00:01.4"}, [11]),
    ],
)
def test_the_frames_that_are_kept_have_their_numbers_and_times_of_the_clip(
    tmp_path: Path, options: dict[str, Any], kept: list[int], cuts: tuple[float, ...]
) -> None:
    clip = write_clip(tmp_path / "a.mkv", stripes(12), times=VARIABLE)
    whole, pixels = frames(clip)
    clock, found = frames(clip, cuts, **options)
    assert clock.frame_numbers.tolist() == kept
    assert clock.first == 0 and len(clock) == len(kept)
    assert clock.times.tolist() == whole.times[kept].tolist()
    assert torch.equal(found, pixels[kept])


@pytest.mark.parametrize(
    ("name", "options", "seeks"),
    [
        ("a.mp4", {}, True),
        ("a.mkv", {}, True),
        ("h.mkv", {"codec": "libx265"}, True),
        ("v.webm", {"codec": "libvpx-vp9"}, True),
        ("j.mkv", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, True),
        ("t.ts", {"codec": "mpeg2video"}, False),
        ("m.avi", {"codec": "mpeg4"}, False),
    ],
)
def test_a_start_by_a_seek_gives_the_frames_of_a_whole_run(
    tmp_path: Path, name: str, options: dict[str, Any], seeks: bool
) -> None:
    drawn = np.concatenate([stripes(60)] * 4)
    clip = write_clip(tmp_path / name, drawn, sound=tone(9.6, 48000), sample_rate=48000, **options)
    whole, pixels = frames(clip)
    video = probe(clip).video
    assert video is not None
    for start in (5.0, 6.13, 7.2, 9.5):
        assert (find_key_frame(clip, video, start) is not None) == seeks
        clock, found = frames(clip, start_at=start)
        kept = whole.times >= start
        assert clock.frame_numbers.tolist() == np.flatnonzero(kept).tolist()
        assert clock.times.tolist() == whole.times[kept].tolist()
        assert not clock.corrupt.any() and torch.equal(found, pixels[torch.from_numpy(kept)])


def test_a_seek_decodes_no_more_than_two_groups_of_pictures_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def noted(*arguments: Any) -> Iterator[AvPicture]:
        for picture in decode_all(*arguments):
            decoded.append(picture.number)
            yield picture

    monkeypatch.setattr("avfer.readers.seek.decode_all", noted)
    clip = write_clip(tmp_path / "a.mp4", np.concatenate([stripes(60)] * 4))  # a key frame every 12 frames
    assert next(pictures(clip, 8.0)).number == 200
    assert 200 - 2 * 12 - 1 <= decoded[0] < 200 == decoded[-1]


@pytest.mark.parametrize("hidden", [False, True])
def test_hidden_frames_of_vp8_prevent_a_seek(tmp_path: Path, hidden: bool) -> None:
    """They are packets without a frame. The packets here are those of VP9, with the bit of VP8 that shows a frame."""
    clip = write_clip(tmp_path / "a.webm", np.concatenate([stripes(60)] * 3), codec="libvpx-vp9")
    video = probe(clip).video
    assert video is not None

    def edit(number: int, data: bytes) -> bytes:
        return bytes([data[0] & 0xEF if hidden and number == 20 else data[0] | 0x10]) + data[1:]

    shown = rewrite(clip, tmp_path / "b.webm", edit)
    shown.write_bytes(shown.read_bytes().replace(b"V_VP9", b"V_VP8"))
    key = find_key_frame(shown, replace(video, codec="vp8"), 6.0)
    assert (key is None) == hidden


def test_damage_before_the_start_is_decoded_as_in_a_whole_run(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mkv", np.concatenate([stripes(60)] * 3))
    clip = rewrite(whole, tmp_path / "b.mkv", spoil(*range(118, 126)))
    clock, pixels = frames(clip)
    part, found = frames(clip, start_at=5.5)
    kept = clock.times >= 5.5
    assert torch.equal(found, pixels[torch.from_numpy(kept)])
    assert part.times.tolist() == clock.times[kept].tolist()


def test_a_part_after_the_end_of_the_clip_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", stripes(12), sound=tone(1))
    with pytest.raises(MediaError, match="no frame at or after 7 s; check --start"):
        frames(clip, start_at=7)
    sound = write_clip(tmp_path / "a.wav", sound=tone(1))
    with pytest.raises(MediaError, match=r"no sound at or after 7 s and before 8 s; it ends at 1\.00 s, check --start"):
        frames(sound, start_at=7, stop_at=8)
    with pytest.raises(MediaError, match=r"no sound at or after 7 s; it ends at 1\.00 s, check --start"):
        frames(sound, start_at=7)


@pytest.mark.parametrize("cuts", [(), (0.1, 0.3, 0.31, 0.9)])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_sound_is_cut_out_of_the_sound_of_the_whole_clip(
    tmp_path: Path, rate: int, cuts: tuple[float, ...]
) -> None:
    clip = write_clip(tmp_path / "a.mkv", stripes(50), sound=tone(2.0, rate), sample_rate=rate, sound_start=0.1)
    begin, whole, _ = samples(clip)
    start, found, last = samples(clip, cuts, start_at=0.5, stop_at="0:01.25")
    first = int(np.ceil((0.5 - begin) * RATE))
    np.testing.assert_array_equal(found, whole[first : first + len(found)])
    assert start == pytest.approx(0.5, abs=1 / RATE) and start >= 0.5
    assert len(found) == pytest.approx(0.75 * RATE, abs=1)
    assert last.clip_stop == 1.25


def test_a_part_of_the_sound_ends_wherever_the_sound_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    for begin in range(-999, 1, 7):  # ms; for some of them, the time of the sample at 1 s is below 1
        sound = [Sound(np.zeros(2 * RATE, np.float32), begin / 1000), End(2.0)]
        monkeypatch.setattr(DecodeAudio, "_open", lambda *_, sound=sound: iter(sound))
        stage = DecodeAudio(stop_at=1.0)
        state, part = stage.step(stage.start(), Span(Clip(DEMO), 0.0, 1.5))
        assert part.last and part.clip_stop == 1.0 and stage.next_time(state) == np.inf, begin
        assert part.samples.shape[1] == RATE - begin * RATE // 1000


def test_rows_of_a_part_have_the_frame_numbers_and_times_of_the_clip(tmp_path: Path) -> None:
    whole = load("vision", device="cpu").run(DEMO).to_table()
    part = load("vision", device="cpu", **{"frames.start_at": 1.0, "frames.stop_at": 1.5}).run(DEMO).to_table()
    assert part["frame"].to_pylist() == [frame for frame, time in _frame_times(whole) if 1 <= time < 1.5]
    assert set(_frame_times(part)) <= set(_frame_times(whole))
    few = load("vision", device="cpu", **{"frames.every": 7}).run(DEMO).to_table()
    assert few["frame"].to_pylist() == [frame for frame, _ in _frame_times(whole) if frame % 7 == 0]


def _frame_times(table: Any) -> list[tuple[int, float]]:
    return sorted(set(zip(table["frame"].to_pylist(), table["time_s"].to_pylist(), strict=True)))


def test_rows_of_the_voice_lie_in_the_part(tmp_path: Path) -> None:
    track = load("voice", device="cpu", **{"sound.start_at": 1.0, "sound.stop_at": 2.5}).run(DEMO)
    assert 1.0 <= track.clock.times[0] < 1.01 and 2.4 < track.clock.times[-1] < 2.5
    silent = write_clip(tmp_path / "a.mkv", stripes(50))
    track = load("voice", device="cpu", **{"sound.start_at": 1.0, "sound.stop_at": 1.5}).run(silent)
    np.testing.assert_allclose(track.clock.times, 1 + np.arange(13) / 25)


@pytest.mark.parametrize(("channel", "level"), [("mix", 0.75), ("left", 1.0), ("right", 0.5), (1, 1.0), (2, 0.5)])
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
def test_one_channel_can_be_chosen(tmp_path: Path, codec: str, channel: str | int, level: float) -> None:
    wave = tone(0.5, RATE, channels=2)  # the second channel has half the level
    clip = write_clip(tmp_path / "a.wav", sound=wave, sample_rate=RATE, sound_codec=codec)
    _, found, _ = samples(clip, channel=channel)
    np.testing.assert_allclose(found, wave[0] * level, atol=1e-4)


def test_a_channel_that_a_file_lacks_is_an_error(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.wav", sound=tone(0.5))
    with pytest.raises(MediaError, match=r"1 channel, so channel: right does not exist"):
        samples(clip, channel="right")


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        (DecodeVideo, {"every": 0}, r"every: must be in \[1, 100000\], got 0"),
        (DecodeVideo, {"fps": 0}, r"fps: must be in \(0, 1000\]"),
        (DecodeVideo, {"fps": float("nan")}, "fps: must be finite"),
        (DecodeVideo, {"fps": 5.0, "every": 2}, "use one of them"),
        (DecodeVideo, {"start_at": -1}, "start_at: must be seconds >= 0 or hh:mm:ss, got -1"),
        (DecodeVideo, {"start_at": "1:2:3:4"}, "start_at"),
        (DecodeVideo, {"start_at": "1:75"}, "start_at"),
        (DecodeAudio, {"stop_at": "soon"}, "stop_at: must be seconds >= 0 or hh:mm:ss, got 'soon'"),
        (DecodeAudio, {"start_at": 2, "stop_at": 2}, "stop_at: must be later than start_at"),
        (DecodeAudio, {"channel": 0}, "channel"),
        (DecodeAudio, {"channel": "middle"}, "channel"),
    ],
)
def test_an_option_out_of_its_range_is_refused(stage: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        stage(**options)
