"""decode_audio: resampling, the time axis, gaps, damage and separate sound files."""

from pathlib import Path

import av
import numpy as np
import pytest
import soxr
import torch

from avfer.errors import ConfigError
from avfer.readers.sound import End, Skip, Sound, mono
from avfer.signal.log_mel import log_mel
from avfer.stages.decode_audio import DecodeAudio
from avfer.stages.detect_speech import DetectSpeech
from avfer.stages.embed_voice import EmbedVoice
from avfer.types import Clip, Span
from tests.golden.vggish_frontend import arrays, manifest, wave_44k
from tests.media_maker import leave_out, rewrite, spoil, stripes, tone, write_clip
from tests.stages.decoding import CLIPS, decode_audio, needs_real_clips, sound_of


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "flac"])
@pytest.mark.parametrize(("channels", "sample_rate"), [(1, 8000), (2, 44100), (6, 48000), (1, 16000)])
def test_sound_is_the_resampled_mean_of_its_channels(tmp_path: Path, codec: str, channels: int, sample_rate: int):
    sound = tone(0.6, sample_rate, channels=channels)
    path = tmp_path / ("a.mkv" if codec == "flac" else "a.wav")
    write_clip(path, sound=sound, sample_rate=sample_rate, sound_codec=codec)
    wanted = soxr.resample(sound.mean(0, dtype=np.float64), sample_rate, 16000)
    found = sound_of(decode_audio(path, [0.2, 0.21, 0.4]))
    assert found.dtype == np.float32
    steps = {"pcm_u8": 128, "pcm_s16le": 32768, "flac": 32768, "pcm_s24le": 2**23}.get(codec, 1e7)
    np.testing.assert_allclose(found, wanted, atol=4 / steps)


@pytest.mark.parametrize(
    ("picture_start", "sound_start"), [(0.0, 0.0), (0.0, 0.3), (0.48, 0.0), (1.2, 1.0), (0.2, 0.9)]
)
@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".ts"])
def test_sound_lies_on_the_time_axis_of_the_frames(
    tmp_path: Path, ending: str, picture_start: float, sound_start: float
):
    click = np.zeros((1, 30000), np.float32)
    click[0, 20000:20040] = 0.9
    times = np.arange(40) / 25 + picture_start
    codec = "mpeg2video" if ending == ".ts" else "libx264"
    clip = tmp_path / f"a{ending}"
    write_clip(clip, stripes(40), sound=click, times=times, codec=codec, sound_start=sound_start)
    parts = decode_audio(clip)
    samples = sound_of(parts)
    click_time = parts[-1].start - parts[-1].first / 16000 + np.abs(samples).argmax() / 16000
    assert click_time == pytest.approx(sound_start - picture_start + 20020 / 44100, abs=2e-3)
    assert parts[-1].clip_stop == pytest.approx(1.6, abs=0.03)


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_the_clip_ends_with_the_later_of_video_and_sound(tmp_path: Path, seconds: float):
    parts = decode_audio(write_clip(tmp_path / "a.mkv", stripes(25), sound=tone(seconds)))
    assert len(sound_of(parts)) == pytest.approx(seconds * 16000, abs=1)
    assert parts[-1].clip_stop == pytest.approx(max(1.0, seconds), abs=2e-3)


def test_a_clip_without_sound_ends_at_once(tmp_path: Path):
    parts = decode_audio(write_clip(tmp_path / "a.mkv", stripes(25)), [0.1])
    assert parts[0].samples.shape == (1, 0) and parts[0].last
    assert parts[0].clip_stop == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("edit", [leave_out(12, 13, 14), spoil(12, 13, 14)])
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mp4", "aac"), ("b.mkv", "flac")])
def test_lost_sound_becomes_silence_of_the_same_length(tmp_path: Path, name: str, codec: str, edit):
    if codec == "pcm_s16le" and edit(12, b"ab") is not None:
        pytest.skip("any bytes are sound in PCM")
    click = np.zeros((1, 44100), np.float32)
    click[0, 30000:30040] = 0.9
    whole = write_clip(tmp_path / f"whole{name}", sound=click + tone(1.0) / 50, sound_codec=codec)
    damaged = rewrite(whole, tmp_path / name, edit, "audio")
    wanted, found = sound_of(decode_audio(whole)), sound_of(decode_audio(damaged))
    assert len(found) == pytest.approx(len(wanted), abs=16)
    assert np.abs(found).argmax() == pytest.approx(np.abs(wanted).argmax(), abs=16)


def test_repeated_samples_are_dropped(tmp_path: Path):
    click = np.zeros((1, 44100), np.float32)
    click[0, 30000:30040] = 0.9
    whole = write_clip(tmp_path / "whole.mkv", sound=click)
    with av.open(str(whole)) as old, av.open(str(tmp_path / "twice.mkv"), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in [p for p in old.demux(audio=0) if p.size]:
            for _ in range(2):
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts, copy.time_base, copy.stream = packet.pts, packet.dts, packet.time_base, stream
                new.mux(copy)
    found = sound_of(decode_audio(tmp_path / "twice.mkv"))
    assert len(found) == pytest.approx(16000, abs=320)
    assert np.abs(found).argmax() / 16000 == pytest.approx(30020 / 44100, abs=0.02)


def test_silence_decodes_to_zeros(tmp_path: Path):
    assert not sound_of(decode_audio(write_clip(tmp_path / "a.mkv", sound=np.zeros(44100)))).any()


def test_samples_that_are_no_numbers_become_finite_without_a_warning():
    samples = np.array([[np.inf, np.nan, np.inf, 0.5], [-np.inf, 0.5, 0.5, 0.5]], np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    assert mono(frame).tolist() == [0.0, 0.0, 1.0, 0.5]


def test_a_sample_rate_of_0_is_refused():
    with pytest.raises(ConfigError, match="sample_rate"):
        DecodeAudio(0)


@needs_real_clips
@pytest.mark.parametrize(("name", "start", "seconds"), [
    ("d_audio_starts_late.mp4", 0.776, 2.229),
    ("d_audio_ends_early.mp4", 0.0, 1.207),
    ("d_interlaced_mpeg2_sar.ts", -0.011, 2.978),
    ("d_1080p60_5.1.mp4", 0.0, 1.515),
    ("nasa_13013.mp4", 0.0, 13.056),
    ("moviepy_no_duration.webm", 0.015, 4.86),
    ("d_audio_only.ogg", 0.0, 2.978),
    ("lp_d0.mp4", 0.0, 0.0),
])  # fmt: skip
def test_real_sound_begins_and_ends_as_the_stream_states(name: str, start: float, seconds: float):
    parts = decode_audio(CLIPS / name, [1.0, 2.0])
    samples = sound_of(parts)
    assert parts[-1].start - parts[-1].first / 16000 == pytest.approx(start, abs=1e-3)
    assert len(samples) / 16000 == pytest.approx(seconds, abs=2e-3)
    assert np.abs(samples).max(initial=0) <= 1.05


def test_sound_at_44_khz_gives_the_published_patches_within_the_tolerance_of_resamplers(tmp_path: Path):
    """The golden file was made with resampy; its manifest states the distance of soxr HQ, which avfer uses."""
    path = write_clip(tmp_path / "a.wav", sound=wave_44k(), sample_rate=44100, sound_codec="pcm_f64le")
    wave, wanted = sound_of(decode_audio(path)), arrays()["examples_44k_stereo"][0, 0]
    notes = manifest()["wave_44k_stereo"]["other_resamplers_against_this"]["soxr HQ"]
    assert len(wave) == notes["length"]
    assert np.abs(wave[20000:20256] - arrays()["resampled_mid"]).max() <= notes["wave_max_abs"]
    away = np.abs(log_mel(torch.from_numpy(wave)).numpy()[:96] - wanted)
    assert away.max() <= 0.5 and away.mean() <= 0.006  # as the golden file states for other resamplers


def test_a_separate_sound_file_begins_with_the_first_frame(tmp_path):
    silent = write_clip(tmp_path / "silent.mp4", stripes(50))
    spoken = write_clip(tmp_path / "spoken.mp4", stripes(10), sound=tone(1.0))
    stage = DecodeAudio()
    _, own = stage.step(stage.start(), Span(Clip(silent, spoken), 0.0, 1e9))
    _, same = stage.step(stage.start(), Span(Clip(spoken), 0.0, 1e9))
    assert own.last and own.samples.shape[1] > 15000
    assert own.start == same.start and torch.equal(own.samples, same.samples)


@pytest.mark.parametrize("reader", [EmbedVoice(), DetectSpeech()], ids=["embed_voice", "detect_speech"])
def test_a_rate_that_a_reader_of_the_sound_does_not_take_is_refused_before_any_clip(reader):
    assert DecodeAudio().for_readers([reader]) == DecodeAudio()
    with pytest.raises(ConfigError, match="sample_rate: the stages that read this sound need 16000, got 22050"):
        DecodeAudio(sample_rate=22050).for_readers([reader])


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_silence_that_is_left_out_moves_the_samples_after_it_at_any_rate(monkeypatch: pytest.MonkeyPatch, rate: int):
    second = np.zeros(rate, np.float32)
    parts = [Sound(second, 0.0), Skip(1.0, 60, ()), Sound(second, 0.0), End(62.0)]
    monkeypatch.setattr(DecodeAudio, "_open", lambda *_: iter(parts))
    stage = DecodeAudio(sample_rate=rate)
    state, found = stage.start(), list[tuple[float, int, int]]()
    for _ in range(2):
        state, batch = stage.step(state, Span(Clip(Path("a.wav")), 0.0, 1e9))
        found.append((batch.start, batch.first, batch.samples.shape[1]))
    assert found == [(0.0, 0, rate), (61.0, rate, rate)]
