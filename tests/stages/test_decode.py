import csv
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError, MediaError, MissingExtra
from avfer.stages import decode
from avfer.stages.decode import DecodeAudio, DecodeVideo
from avfer.types import AudioBatch, Clip, FrameBatch, Span
from tests.media_maker import (
    cut_off,
    flip,
    leave_out,
    number_of,
    rewrite,
    spoil,
    stripes,
    tone,
    write_clip,
)

WHOLE = [1e9]
CLIPS = Path(__file__).parents[2] / "../shared/data/clips"
VARIABLE = [0.0, 0.04, 0.2, 0.21, 0.5, 0.6, 0.7, 0.9, 1.1, 1.2, 1.21, 1.4]


def watch(path: Path, cuts: list[float] = WHOLE, reader: str = "pyav") -> list[FrameBatch]:
    """The parts for spans that end at these times, then for one that ends the clip."""
    stage, parts = DecodeVideo(reader), []
    state = stage.start()
    for start, stop in pairwise([0.0, *cuts, *WHOLE]):
        state, part = stage.step(state, Span(Clip(path), start, stop))
        parts.append(part)
    assert parts[-1].clock.last
    return parts


def listen(path: Path, cuts: list[float] = WHOLE, sample_rate: int = 16000) -> list[AudioBatch]:
    stage, parts = DecodeAudio(sample_rate), []
    state = stage.start()
    for start, stop in pairwise([0.0, *cuts, *WHOLE]):
        state, part = stage.step(state, Span(Clip(path), start, stop))
        parts.append(part)
    assert parts[-1].last and parts[-1].clip_stop is not None
    return parts


def frames_of(parts: list[FrameBatch]) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Times, corrupt marks and pixels of the whole clip; the indices must follow one another."""
    assert [part.clock.first for part in parts] == [0, *np.cumsum([len(part.clock) for part in parts])[:-1]]
    times, corrupt = ([getattr(part.clock, name) for part in parts] for name in ("times", "corrupt"))
    return np.concatenate(times), np.concatenate(corrupt), torch.cat([part.pixels for part in parts])


def sound_of(parts: list[AudioBatch]) -> np.ndarray:
    """All samples; index and start of every part must fit.   -> (S,) float32"""
    firsts = np.cumsum([0, *(part.samples.shape[1] for part in parts)])[:-1]
    assert [part.first for part in parts] == firsts.tolist()
    begin = parts[-1].start - parts[-1].first / parts[-1].sample_rate
    for part in parts:
        if part.samples.shape[1]:
            assert part.start == pytest.approx(begin + part.first / part.sample_rate)
    return torch.cat([part.samples for part in parts], 1)[0].numpy()


def numbers(pixels: torch.Tensor) -> list[int]:
    return [number_of(frame) for frame in pixels.numpy()]


# pictures


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cfr.mp4", {}),
        ("vfr.mp4", {"times": VARIABLE}),
        ("vfr.mkv", {"times": VARIABLE}),
        ("late.mkv", {"times": [time + 2.5 for time in VARIABLE]}),
        ("p.ts", {"codec": "mpeg2video", "sound": tone(1)}),
        ("p.mpg", {"codec": "mpeg1video"}),
        ("p.avi", {"codec": "mpeg4"}),
        ("j.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("ten bits.mkv", {"codec": "libx265", "pix_fmt": "yuv420p10le"}),
        ("grey.mkv", {"codec": "ffv1", "pix_fmt": "gray"}),
        ("v é.webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_every_frame_is_given_at_its_own_time(tmp_path: Path, name: str, options: dict):
    times, corrupt, pixels = frames_of(watch(write_clip(tmp_path / name, stripes(), **options)))
    wanted = options.get("times", np.arange(12) / 25)
    np.testing.assert_allclose(times, np.subtract(wanted, wanted[0]), atol=1e-3)
    assert times[0] == 0 and not corrupt.any()
    assert numbers(pixels) == list(range(12))
    assert pixels.dtype == torch.uint8 and pixels.is_contiguous()


@pytest.mark.parametrize("size", [(64, 64), (47, 65), (1, 1), (120, 90)])
def test_a_picture_of_any_size_is_given_whole(tmp_path: Path, size: tuple[int, int]):
    drawn = np.random.default_rng(0).integers(0, 255, (3, *size, 3), np.uint8)
    _, _, pixels = frames_of(watch(write_clip(tmp_path / "a.mkv", drawn, codec="ffv1", pix_fmt="bgr0")))
    np.testing.assert_array_equal(pixels.numpy(), drawn)


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_turned_picture_is_shown_upright(tmp_path: Path, degrees: int):
    _, _, plain = frames_of(watch(write_clip(tmp_path / "plain.mp4", stripes())))
    _, _, turned = frames_of(watch(write_clip(tmp_path / "turned.mp4", stripes(), rotation=degrees)))
    assert turned.is_contiguous()
    np.testing.assert_array_equal(turned.numpy(), np.rot90(plain.numpy(), degrees // 90, axes=(1, 2)))


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("matrix", "red", "blue"), [("smpte170m", 0.299, 0.114), ("bt709", 0.2126, 0.0722)])
def test_colours_follow_the_matrix_and_range_of_the_stream(
    tmp_path: Path, matrix: str, red: float, blue: float, full_range: bool
):
    colours = np.array([[200, 40, 60], [30, 180, 70], [40, 60, 210], [250, 250, 250], [5, 5, 5], [180, 140, 120]])
    luma = colours @ [red, 1 - red - blue, blue]
    chroma = [(colours[:, 2] - luma) / (2 - 2 * blue), (colours[:, 0] - luma) / (2 - 2 * red)]
    levels = np.stack([luma, *(c + 128 for c in chroma)]).T
    if not full_range:
        levels = np.stack([16 + luma * 219 / 255, *(128 + c * 224 / 255 for c in chroma)]).T
    path = tmp_path / "flat.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        stream.codec_context.colorspace = {"smpte170m": 6, "bt709": 1}[matrix]
        stream.codec_context.color_range = 2 if full_range else 1
        for number, level in enumerate(np.rint(levels).astype(np.uint8)):
            frame = av.VideoFrame(32, 16, "yuv420p")
            frame.colorspace, frame.color_range = stream.codec_context.colorspace, stream.codec_context.color_range
            for plane, value in zip(frame.planes, level, strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    _, _, pixels = frames_of(watch(path))
    error = np.abs(pixels.numpy().astype(int) - colours[:, None, None])
    assert error.max() <= 3


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path):
    small = write_clip(tmp_path / "small.avi", stripes(4), codec="mjpeg", pix_fmt="yuvj420p")
    large = write_clip(tmp_path / "large.avi", stripes(8, 128, 192), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(large)) as container:
        data = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    mixed = rewrite(small, tmp_path / "mixed.avi", lambda number, packet: data[number] if number > 1 else packet)
    _, _, pixels = frames_of(watch(mixed))
    assert pixels.shape == (4, 64, 96, 3) and numbers(pixels) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("codec", "edit", "marked"),
    [
        ("libx264", spoil(5), None),
        ("libx264", flip(5), None),
        ("mpeg4", spoil(5), [6]),
        ("mpeg4", flip(5), [5]),
        ("mpeg2video", spoil(5), [6]),
        ("mpeg2video", flip(5), None),
        ("libvpx-vp9", spoil(5), None),
    ],
)
def test_frames_go_on_after_a_damaged_packet_and_the_first_is_marked(tmp_path: Path, codec: str, edit, marked):
    whole = write_clip(tmp_path / "whole.mkv", stripes(24), codec=codec)
    times, corrupt, _ = frames_of(watch(rewrite(whole, tmp_path / "damaged.mkv", edit)))
    given = np.rint(times * 25).astype(int)
    assert given[-1] == 23 and len(given) > 12
    assert corrupt.any() and corrupt[given <= 3].sum() == 0 and corrupt[given >= 13].sum() == 0
    missing = sorted(set(range(24)) - set(given))
    if missing:
        assert corrupt[np.searchsorted(given, missing[0])]
    if marked:
        assert given[corrupt].tolist() == marked


def test_a_sound_stream_of_frames_is_not_marked(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mkv", stripes(24), options={"bf": "3", "g": "8", "b-pyramid": "2"})
    assert not frames_of(watch(whole))[1].any()


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.ts", "mpeg2video"), ("a.mpg", "mpeg1video")])
def test_a_file_cut_off_gives_the_frames_it_has(tmp_path: Path, name: str, codec: str):
    noise = np.random.default_rng(0).integers(0, 255, (24, 64, 96, 3), np.uint8)
    whole = write_clip(tmp_path / f"whole{name}", noise, codec=codec)
    cut = cut_off(whole, tmp_path / name, 0.5)
    times, _, _ = frames_of(watch(cut))
    assert 6 <= len(times) <= 18 and (np.diff(times) > 0).all()
    assert listen(cut)[-1].clip_stop == pytest.approx(times[-1] + 0.04, abs=0.05)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp3", "a.wav"])
def test_sound_cut_off_gives_the_samples_it_has(tmp_path: Path, name: str):
    whole = write_clip(tmp_path / f"whole{name}", sound=tone(1, 48000), sample_rate=48000)
    parts = listen(cut_off(whole, tmp_path / name, 0.5), [0.2])
    assert 0.3 < len(sound_of(parts)) / 16000 < 0.7
    assert parts[-1].clip_stop == pytest.approx(len(sound_of(parts)) / 16000, abs=0.1)


def test_times_start_at_the_first_frame_that_can_be_decoded(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mkv", stripes(24), codec="libvpx-vp9", sound=tone(1))
    damaged = rewrite(whole, tmp_path / "damaged.mkv", leave_out(0))
    times, corrupt, pixels = frames_of(watch(damaged))
    assert times[0] == 0 and corrupt[0]
    first = numbers(pixels)[0]
    assert first == 12  # the second key frame
    assert listen(damaged)[-1].clip_stop == pytest.approx(1 - first / 25, abs=0.03)
    assert listen(damaged)[0].start == pytest.approx(-first / 25, abs=1e-3)


def test_time_stamps_that_leap_by_days_are_an_error(tmp_path: Path):
    clip = write_clip(tmp_path / "leap.mkv", stripes(4), times=[0, 0.04, 0.08, 200000.0])
    with pytest.raises(MediaError, match="jump from 0.1 s to 200000.0 s"):
        watch(clip)


def test_the_picture_of_two_streams_is_the_first(tmp_path: Path):
    clip = write_clip(tmp_path / "two.mp4", stripes(), more_frames=[stripes(5, 32, 32)])
    assert frames_of(watch(clip))[2].shape == (12, 64, 96, 3)


def test_sound_alone_ticks_at_25_hertz_up_to_its_end(tmp_path: Path):
    clip = write_clip(tmp_path / "a.wav", sound=tone(0.5, 8000), sample_rate=8000)
    parts = watch(clip, [0.1, 0.1, 0.12, 0.30])
    assert [len(part.clock) for part in parts] == [3, 0, 0, 5, 5]
    assert not any(part.clock.pictures for part in parts)
    times, corrupt, pixels = frames_of(parts)
    np.testing.assert_array_equal(times, np.arange(13) / 25)
    assert pixels.shape == (13, 0, 0, 3) and not corrupt.any()


def test_after_the_end_nothing_follows(tmp_path: Path):
    clip = write_clip(tmp_path / "a.mp4", stripes(), sound=tone(0.5))
    pictures, sounds = watch(clip, [5.0, 6.0, 7.0]), listen(clip, [5.0, 6.0, 7.0])
    assert [len(part.clock) for part in pictures] == [12, 0, 0, 0]
    assert all(part.clock.last for part in pictures) and all(part.last for part in sounds)


def test_the_last_frame_is_told_with_itself(tmp_path: Path):
    clip = write_clip(tmp_path / "a.mp4", stripes())
    assert [part.clock.last for part in watch(clip, [0.44, 0.45])] == [False, True, True]


@pytest.fixture(scope="module")
def law_clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("law")
    whole = write_clip(folder / "whole.mkv", stripes(24), sound=tone(1.0), codec="mpeg4")
    return [
        write_clip(folder / "vfr.mkv", stripes(), times=VARIABLE, sound=tone(1.3), sound_start=0.2),
        write_clip(folder / "late.mp4", stripes(), times=np.arange(12) / 25 + 0.5, sound=tone(1.0)),
        rewrite(rewrite(whole, folder / "x.mkv", spoil(5)), folder / "holes.mkv", leave_out(9, 10, 11), "audio"),
        write_clip(folder / "a.wav", sound=tone(1.1, 8000), sample_rate=8000),
    ]


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.one_of(st.floats(-1, 2), st.sampled_from(VARIABLE)), max_size=12).map(sorted))
@pytest.mark.parametrize("number", range(4))
def test_where_a_clip_is_cut_changes_no_value(law_clips: list[Path], number: int, cuts: list[float]):
    pictures, sounds = watch(law_clips[number], cuts), listen(law_clips[number], cuts)
    for found, wanted in zip(frames_of(pictures), frames_of(watch(law_clips[number])), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))
    np.testing.assert_array_equal(sound_of(sounds), sound_of(listen(law_clips[number])))
    for part, stop in zip(pictures, cuts, strict=False):
        assert (part.clock.times < stop).all()
    for part, stop in zip(sounds, cuts, strict=False):
        assert part.last or part.start + (part.samples.shape[1] - 1) / 16000 < stop + 1e-9 or not part.samples.numel()


# other readers


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


# sound


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "flac"])
@pytest.mark.parametrize(("channels", "sample_rate"), [(1, 8000), (2, 44100), (6, 48000), (1, 16000)])
def test_sound_is_the_resampled_mean_of_its_channels(tmp_path: Path, codec: str, channels: int, sample_rate: int):
    sound = tone(0.6, sample_rate, channels=channels)
    path = tmp_path / ("a.mkv" if codec == "flac" else "a.wav")
    write_clip(path, sound=sound, sample_rate=sample_rate, sound_codec=codec)
    wanted = soxr.resample(sound.mean(0, dtype=np.float64), sample_rate, 16000)
    found = sound_of(listen(path, [0.2, 0.21, 0.4]))
    assert found.dtype == np.float32
    steps = {"pcm_u8": 128, "pcm_s16le": 32768, "flac": 32768, "pcm_s24le": 2**23}.get(codec, 1e7)
    np.testing.assert_allclose(found, wanted, atol=4 / steps)


@pytest.mark.parametrize(
    ("picture_start", "sound_start"), [(0.0, 0.0), (0.0, 0.3), (0.48, 0.0), (1.2, 1.0), (0.2, 0.9)]
)
@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".ts"])
def test_sound_lies_on_the_axis_of_the_pictures(tmp_path: Path, ending: str, picture_start: float, sound_start: float):
    click = np.zeros((1, 30000), np.float32)
    click[0, 20000:20040] = 0.9
    times = np.arange(40) / 25 + picture_start
    codec = "mpeg2video" if ending == ".ts" else "libx264"
    clip = tmp_path / f"a{ending}"
    write_clip(clip, stripes(40), sound=click, times=times, codec=codec, sound_start=sound_start)
    parts = listen(clip)
    samples = sound_of(parts)
    heard = parts[-1].start - parts[-1].first / 16000 + np.abs(samples).argmax() / 16000
    assert heard == pytest.approx(sound_start - picture_start + 20020 / 44100, abs=2e-3)
    assert parts[-1].clip_stop == pytest.approx(1.6, abs=0.03)


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_the_clip_ends_where_picture_and_sound_have_ended(tmp_path: Path, seconds: float):
    parts = listen(write_clip(tmp_path / "a.mkv", stripes(25), sound=tone(seconds)))
    assert len(sound_of(parts)) == pytest.approx(seconds * 16000, abs=1)
    assert parts[-1].clip_stop == pytest.approx(max(1.0, seconds), abs=2e-3)


def test_without_sound_the_end_is_told_at_once(tmp_path: Path):
    parts = listen(write_clip(tmp_path / "a.mkv", stripes(25)), [0.1])
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
    wanted, found = sound_of(listen(whole)), sound_of(listen(damaged))
    assert len(found) == pytest.approx(len(wanted), abs=16)
    assert np.abs(found).argmax() == pytest.approx(np.abs(wanted).argmax(), abs=16)


def test_sound_that_comes_twice_is_cut(tmp_path: Path):
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
    found = sound_of(listen(tmp_path / "twice.mkv"))
    assert len(found) == pytest.approx(16000, abs=320)
    assert np.abs(found).argmax() / 16000 == pytest.approx(30020 / 44100, abs=0.02)


def test_silence_is_silent(tmp_path: Path):
    assert not sound_of(listen(write_clip(tmp_path / "a.mkv", sound=np.zeros(44100)))).any()


def test_a_sample_rate_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="sample_rate"):
        DecodeAudio(0)


# real clips


def shared_clips() -> list[dict[str, str]]:
    index = CLIPS / "index.csv"
    return list(csv.DictReader(index.read_text(encoding="utf-8").splitlines())) if index.exists() else []


real = pytest.mark.skipif(not shared_clips(), reason="the real clips of ../shared/data are not here")


@real
@pytest.mark.parametrize("row", [row for row in shared_clips() if row["frames"]], ids=lambda row: row["file"])
def test_real_clips_give_every_frame_at_the_containers_time(row: dict[str, str]):
    path = CLIPS / row["file"]
    with av.open(str(path)) as container:
        shown = [packet for packet in container.demux(video=0) if packet.size and not packet.is_discard]
    stamps = np.sort([float(packet.pts * packet.time_base) for packet in shown])
    parts = watch(path, list(np.arange(2.0, stamps[-1] + 2.0, 2.0)))
    times = np.concatenate([part.clock.times for part in parts])
    assert len(times) == int(row["frames"])
    np.testing.assert_allclose(times, stamps - stamps[0], atol=1e-3)
    stored = int(row["height"]), int(row["width"])
    assert tuple(parts[0].pixels.shape[1:3]) == (stored[::-1] if row["rotation"] == "-90" else stored)


@real
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
def test_real_sound_begins_and_ends_where_the_stream_says(name: str, start: float, seconds: float):
    parts = listen(CLIPS / name, [1.0, 2.0])
    samples = sound_of(parts)
    assert parts[-1].start - parts[-1].first / 16000 == pytest.approx(start, abs=1e-3)
    assert len(samples) / 16000 == pytest.approx(seconds, abs=2e-3)
    assert np.abs(samples).max(initial=0) <= 1.05


@real
@pytest.mark.parametrize("reader", ["decord", "torchcodec"])
@pytest.mark.parametrize("name", ["d_vfr.mp4", "d_rot90_displaymatrix.mp4", "ravdess_01-01-01-01-01-01-01.mp4"])
def test_readers_agree_on_real_clips(reader: str, name: str):
    needs(reader)
    cuts = list(np.arange(0.5, 12, 0.5))
    for found, wanted in zip(watch(CLIPS / name, cuts, reader), watch(CLIPS / name, cuts), strict=True):
        np.testing.assert_array_equal(found.clock.times, wanted.clock.times)
        assert torch.equal(found.pixels, wanted.pixels)
