"""Gaps in time, absurd frame rates and large frames cost bounded time and memory."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avfer.errors import MediaError
from avfer.pipeline import Pipeline, load
from avfer.stages.decode import DecodeVideo
from avfer.stages.decode_audio import DecodeAudio
from avfer.types import AudioBatch, Clip, Span
from tests.media_maker import stripes, tone, write_clip
from tests.stages.decoding import VARIABLE, decode_audio, sound_of

HOURS = 7200.0
RATE = 16000
FRAMES_ONLY = """\
chunk: 0.5
stages:
  frames: {use: decode_video, from: span}
  affect: {use: "tests.toy_stages:TimeAsValence", from: frames, gain: 0.0001}
output: affect
"""


def write_sound(path: Path, starts: list[float], seconds: float = 1.0, rate: int = RATE) -> Path:
    """Write a tone at each of these times (s) into an audio file, without anything between them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=rate)
        stream.layout = "mono"
        for start in starts:
            frame = av.AudioFrame.from_ndarray(tone(seconds, rate), format="flt", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(start * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def all_batches(path: Path, **options: float) -> list[AudioBatch]:
    """Return the batches of decode_audio until the last one."""
    stage, parts = DecodeAudio(**options), list[AudioBatch]()
    state = stage.start()
    while not parts or not parts[-1].last:
        state, part = stage.step(state, Span(Clip(path), 0.0, 1e9))
        parts.append(part)
    return parts


@pytest.fixture
def frames_only(tmp_path: Path) -> Pipeline:
    (tmp_path / "frames.yaml").write_text(FRAMES_ONLY)
    return load(tmp_path / "frames.yaml")


def test_a_gap_of_two_hours_costs_no_chunk(tmp_path: Path, frames_only: Pipeline) -> None:
    times = [*(np.arange(10) / 25), *(HOURS + np.arange(10) / 25)]
    parts = list(frames_only.stream(write_clip(tmp_path / "gap.mkv", stripes(20), times=times)))
    assert len(parts) <= 4
    np.testing.assert_allclose(np.concatenate([part.clock.times for part in parts]), times, atol=1e-3)


def test_a_gap_of_more_than_a_day_is_refused(tmp_path: Path, frames_only: Pipeline) -> None:
    clip = write_clip(tmp_path / "gap.mkv", stripes(3), times=[0.0, 0.04, 90_000.0])
    with pytest.raises(MediaError, match="jump from"):
        frames_only.run(clip)


def test_an_absurd_frame_rate_in_the_header_changes_no_chunk(tmp_path: Path, frames_only: Pipeline) -> None:
    data = bytearray(write_clip(tmp_path / "a.avi", stripes(12), codec="mjpeg", pix_fmt="yuvj420p").read_bytes())
    header = data.index(b"strh") + 8
    struct.pack_into("<II", data, header + 20, 1, 2**31 - 1)  # scale and rate
    path = tmp_path / "fast.avi"
    path.write_bytes(data)
    parts = list(frames_only.stream(path))
    assert len(parts) <= 2
    assert sum(len(part.clock) for part in parts) == 12


def test_a_step_outputs_as_many_frames_as_fit_and_at_least_one(tmp_path: Path) -> None:
    clip, stage = write_clip(tmp_path / "a.mkv", stripes(12)), DecodeVideo()
    state, counts, bound = stage.start(), list[int](), 64 * 96 * 3 * 5
    for max_bytes in (bound, bound, 1, None):
        state, part = stage.step(state, Span(Clip(clip), 0.0, 10.0, max_bytes))
        counts.append(len(part.clock))
    assert counts == [5, 5, 1, 1] and part.clock.last


def test_large_frames_need_more_steps_and_change_no_value(
    tmp_path: Path, frames_only: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "a.mkv", stripes(12), times=VARIABLE)
    whole = list(frames_only.stream(clip))
    monkeypatch.setattr("avfer.pipeline.CHUNK_BYTES", 1)
    parts = list(frames_only.stream(clip))
    assert len(parts) == 12 > len(whole)
    assert np.concatenate([part.valence for part in parts]).tolist() == frames_only.run(clip).valence.tolist()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_inner_part_of_a_long_gap_in_the_sound_is_left_out(tmp_path: Path, rate: int) -> None:
    parts = all_batches(write_sound(tmp_path / "gap.mkv", [0.0, HOURS], rate=rate))
    assert sum(part.samples.shape[1] for part in parts) <= 12 * RATE
    loud = [part.start + np.flatnonzero(np.abs(part.samples[0].numpy()) > 0.1) / RATE for part in parts]
    times = np.concatenate(loud)
    assert times.min() == pytest.approx(0.0, abs=0.01) and times.max() == pytest.approx(HOURS + 1, abs=0.01)
    assert not ((times > 1.01) & (times < HOURS - 0.01)).any()
    assert parts[-1].clip_stop == pytest.approx(HOURS + 1, abs=0.01)
    assert [part.first for part in parts] == np.cumsum([0, *(p.samples.shape[1] for p in parts)])[:-1].tolist()


def test_a_gap_of_half_a_minute_in_the_sound_is_silence(tmp_path: Path) -> None:
    samples = sound_of(decode_audio(write_sound(tmp_path / "gap.mkv", [0.0, 30.0])))
    assert len(samples) == pytest.approx(31 * RATE, abs=2)
    assert np.abs(samples[2 * RATE : 29 * RATE]).max() < 1e-6


@pytest.mark.parametrize("chunk", [0.3, 4.0, 600.0])
def test_rows_of_the_voice_leave_a_long_gap_out_whatever_the_chunk(tmp_path: Path, chunk: float) -> None:
    clip = write_sound(tmp_path / "gap.mkv", [0.0, HOURS], seconds=3.0, rate=44100)
    options = {"spoken.threshold": 0.0}  # the voice is a tone
    track = load("voice", device="cpu", chunk=chunk, **options).run(clip)
    times = track.clock.times
    assert len(track.clock) < 25 * 20
    assert times[0] == 0 and times[-1] == pytest.approx(HOURS + 3, abs=0.1)
    assert np.diff(times).max() == pytest.approx(HOURS - 3 - 8, abs=1.1)
    sounds = (times <= 3) | (times >= HOURS)
    assert track.has_voice[sounds].all() and np.isfinite(track.valence[sounds]).all()
    assert not track.has_voice[(times > 4) & (times < HOURS - 1)].any()  # a window is 1 s long
    whole = load("voice", device="cpu", chunk=2.0, **options).run(clip)
    np.testing.assert_array_equal(track.valence, whole.valence)
    np.testing.assert_array_equal(times, whole.clock.times)


def test_rows_of_a_clip_without_sound_leave_a_long_gap_out(tmp_path: Path) -> None:
    times = [*(np.arange(10) / 25), *(HOURS + np.arange(10) / 25)]
    track = load("voice", device="cpu").run(write_clip(tmp_path / "gap.mkv", stripes(20), times=times))
    assert len(track.clock) < 25 * 12 and not track.has_voice.any()
    assert track.clock.times[-1] == pytest.approx(HOURS + 0.4, abs=0.1)


def test_frames_in_a_long_gap_of_the_sound_have_rows_of_the_fixed_clock(tmp_path: Path) -> None:
    """Video goes on while the sound pauses for 100 s, so the clip has no gap."""
    sound = np.zeros((1, 110 * 8000), np.float32)
    whole = write_clip(tmp_path / "w.mkv", stripes(60), times=np.linspace(0, 110, 60), sound=sound, sample_rate=8000)
    with av.open(str(whole)) as old, av.open(str(tmp_path / "pause.mkv"), "w") as new:
        copies = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            time = 0 if packet.pts is None else packet.pts * packet.time_base
            silent = packet.stream.type == "audio" and 5 < time < 105
            if packet.dts is not None and not silent:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    track = load("voice", device="cpu").run(tmp_path / "pause.mkv")
    assert np.diff(track.clock.times).max() == pytest.approx(0.04, abs=1e-6)
    assert len(track.clock) == pytest.approx(110 * 25, abs=3)


def test_a_sound_without_video_has_no_ticks_of_frames_in_a_long_gap(tmp_path: Path) -> None:
    stage, ticks = DecodeVideo(), list[float]()
    state, clip = stage.start(), Clip(write_sound(tmp_path / "gap.mkv", [0.0, HOURS]))
    for stop in (0.5, 100.0, 7190.0, 8000.0):
        state, part = stage.step(state, Span(clip, 0.0, stop))
        ticks += part.clock.times.tolist()
    assert part.clock.last and len(ticks) < 25 * 12
    assert ticks[-1] == pytest.approx(HOURS + 1, abs=0.05)


def test_an_absurd_sample_rate_is_refused(tmp_path: Path) -> None:
    data = bytearray(write_clip(tmp_path / "a.wav", sound=tone(1.0, RATE), sample_rate=RATE).read_bytes())
    struct.pack_into("<I", data, data.index(b"fmt ") + 12, 3)
    (tmp_path / "slow.wav").write_bytes(data)
    with pytest.raises(MediaError, match="sample rate of 3 Hz"):
        load("voice", device="cpu").run(tmp_path / "slow.wav")
