"""decode_video on files of many formats, with damage, and the chunk law of both decoding stages."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.errors import MediaError
from tests.media_maker import cut_off, flip, leave_out, rewrite, spoil, stripes, tone, write_clip
from tests.stages.decoding import (
    CLIPS,
    VARIABLE,
    decode_audio,
    decode_video,
    frames_of,
    needs_real_clips,
    numbers,
    real_clips,
    sound_of,
    turn,
)


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
        ("reordered.avi", {}),
        ("no stamps.h264", {}),
        ("j.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("ten bits.mkv", {"codec": "libx265", "pix_fmt": "yuv420p10le"}),
        ("grey.mkv", {"codec": "ffv1", "pix_fmt": "gray"}),
        ("v é.webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_every_frame_is_output_with_its_own_time(tmp_path: Path, name: str, options: dict):
    times, corrupt, pixels = frames_of(decode_video(write_clip(tmp_path / name, stripes(), **options)))
    wanted = options.get("times", np.arange(12) / 25)
    np.testing.assert_allclose(times, np.subtract(wanted, wanted[0]), atol=1e-3)
    assert times[0] == 0 and not corrupt.any()
    assert numbers(pixels) == list(range(12))
    assert pixels.dtype == torch.uint8 and pixels.is_contiguous()


@pytest.mark.parametrize("size", [(64, 64), (47, 65), (1, 1), (120, 90)])
def test_a_frame_of_any_size_is_output_whole(tmp_path: Path, size: tuple[int, int]):
    drawn = np.random.default_rng(0).integers(0, 255, (3, *size, 3), np.uint8)
    _, _, pixels = frames_of(decode_video(write_clip(tmp_path / "a.mkv", drawn, codec="ffv1", pix_fmt="bgr0")))
    np.testing.assert_array_equal(pixels.numpy(), drawn)


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_rotated_frame_is_output_upright(tmp_path: Path, degrees: int):
    _, _, plain = frames_of(decode_video(write_clip(tmp_path / "plain.mp4", stripes())))
    _, _, turned = frames_of(decode_video(write_clip(tmp_path / "turned.mp4", stripes(), rotation=degrees)))
    assert turned.is_contiguous()
    np.testing.assert_array_equal(turned.numpy(), np.rot90(plain.numpy(), degrees // 90, axes=(1, 2)))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_mirrored_frame_is_output_as_it_is_displayed(tmp_path: Path, degrees: int):
    """Front cameras of some phones store mirrored pictures, and a matrix by which players mirror them again."""
    plain = write_clip(tmp_path / "plain.mp4", stripes(3))
    _, _, pixels = frames_of(decode_video(plain))
    _, _, found = frames_of(decode_video(turn(plain, tmp_path / "mirrored.mp4", degrees, mirror=True)))
    wanted = np.rot90(pixels.numpy(), degrees // 90, axes=(1, 2))[:, :, ::-1]
    np.testing.assert_array_equal(found.numpy(), wanted)


def test_a_display_matrix_of_zeros_changes_nothing(tmp_path: Path):
    plain = write_clip(tmp_path / "plain.mp4", stripes(3))
    data = bytearray(plain.read_bytes())
    place = data.index(b"tkhd") + 44
    data[place : place + 32] = bytes(32)
    broken = tmp_path / "zeros.mp4"
    broken.write_bytes(data)
    assert torch.equal(frames_of(decode_video(broken))[2], frames_of(decode_video(plain))[2])


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
    _, _, pixels = frames_of(decode_video(path))
    error = np.abs(pixels.numpy().astype(int) - colours[:, None, None])
    assert error.max() <= 3


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path):
    small = write_clip(tmp_path / "small.avi", stripes(4), codec="mjpeg", pix_fmt="yuvj420p")
    large = write_clip(tmp_path / "large.avi", stripes(8, 128, 192), codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(large)) as container:
        data = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    mixed = rewrite(small, tmp_path / "mixed.avi", lambda number, packet: data[number] if number > 1 else packet)
    _, _, pixels = frames_of(decode_video(mixed))
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
def test_decoding_continues_after_a_damaged_packet_and_marks_the_next_frame(tmp_path: Path, codec: str, edit, marked):
    whole = write_clip(tmp_path / "whole.mkv", stripes(24), codec=codec)
    times, corrupt, _ = frames_of(decode_video(rewrite(whole, tmp_path / "damaged.mkv", edit)))
    indices = np.rint(times * 25).astype(int)
    assert indices[-1] == 23 and len(indices) > 12
    assert corrupt.any() and corrupt[indices <= 3].sum() == 0 and corrupt[indices >= 13].sum() == 0
    missing = sorted(set(range(24)) - set(indices))
    if missing:
        assert corrupt[np.searchsorted(indices, missing[0])]
    if marked:
        assert indices[corrupt].tolist() == marked


def test_an_undamaged_stream_has_no_corrupt_frame(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mkv", stripes(24), options={"bf": "3", "g": "8", "b-pyramid": "2"})
    assert not frames_of(decode_video(whole))[1].any()


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.ts", "mpeg2video"), ("a.mpg", "mpeg1video")])
def test_a_truncated_file_gives_the_frames_it_has(tmp_path: Path, name: str, codec: str):
    noise = np.random.default_rng(0).integers(0, 255, (24, 64, 96, 3), np.uint8)
    whole = write_clip(tmp_path / f"whole{name}", noise, codec=codec)
    cut = cut_off(whole, tmp_path / name, 0.5)
    times, _, _ = frames_of(decode_video(cut))
    assert 6 <= len(times) <= 18 and (np.diff(times) > 0).all()
    assert decode_audio(cut)[-1].clip_stop == pytest.approx(times[-1] + 0.04, abs=0.05)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp3", "a.wav"])
def test_truncated_sound_gives_the_samples_it_has(tmp_path: Path, name: str):
    whole = write_clip(tmp_path / f"whole{name}", sound=tone(1, 48000), sample_rate=48000)
    parts = decode_audio(cut_off(whole, tmp_path / name, 0.5), [0.2])
    assert 0.3 < len(sound_of(parts)) / 16000 < 0.7
    assert parts[-1].clip_stop == pytest.approx(len(sound_of(parts)) / 16000, abs=0.1)


def test_times_start_at_the_first_frame_that_can_be_decoded(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mkv", stripes(24), codec="libvpx-vp9", sound=tone(1))
    damaged = rewrite(whole, tmp_path / "damaged.mkv", leave_out(0))
    times, corrupt, pixels = frames_of(decode_video(damaged))
    assert times[0] == 0 and corrupt[0]
    first = numbers(pixels)[0]
    assert first == 12  # the second key frame
    assert decode_audio(damaged)[-1].clip_stop == pytest.approx(1 - first / 25, abs=0.03)
    assert decode_audio(damaged)[0].start == pytest.approx(-first / 25, abs=1e-3)


def test_time_stamps_that_jump_by_days_are_an_error(tmp_path: Path):
    clip = write_clip(tmp_path / "leap.mkv", stripes(4), times=[0, 0.04, 0.08, 200000.0])
    with pytest.raises(MediaError, match=r"jump from 0\.1 s to 200000\.0 s"):
        decode_video(clip)


@pytest.mark.parametrize("name", ["a.ts", "a.mpg"])
def test_parts_of_a_recording_that_were_joined_follow_one_another(tmp_path: Path, name: str):
    """Surveillance cameras and recorders of television begin each part at 0 again."""
    click = np.zeros((1, 88200), np.float32)
    click[0, 44100:44140] = 0.9
    single = write_clip(tmp_path / name, stripes(50), codec="mpeg2video", sound=click)
    joined = tmp_path / f"joined{single.suffix}"
    joined.write_bytes(single.read_bytes() * 2)
    times, corrupt, pixels = frames_of(decode_video(joined, [0.5, 1.99, 2.5]))
    assert numbers(pixels) == [*range(50), *range(50)] and not corrupt.any()
    assert (np.diff(times) > 0.02).all() and times[50] == pytest.approx(2.0, abs=0.05)
    parts = decode_audio(joined, [1.5, 2.5])
    samples = sound_of(parts)
    peaks = [np.abs(samples[:32000]).argmax(), 32000 + np.abs(samples[32000:]).argmax()]
    begin = parts[-1].start - parts[-1].first / 16000
    assert begin + np.array(peaks) / 16000 == pytest.approx([1.01, times[50] + 1.01], abs=0.02)


def test_the_first_of_two_video_streams_is_decoded(tmp_path: Path):
    clip = write_clip(tmp_path / "two.mp4", stripes(), more_frames=[stripes(5, 32, 32)])
    assert frames_of(decode_video(clip))[2].shape == (12, 64, 96, 3)


def test_a_sound_file_has_ticks_at_25_hz_up_to_its_end(tmp_path: Path):
    clip = write_clip(tmp_path / "a.wav", sound=tone(0.5, 8000), sample_rate=8000)
    parts = decode_video(clip, [0.1, 0.1, 0.12, 0.30])
    assert [len(part.clock) for part in parts] == [3, 0, 0, 5, 5]
    assert not any(part.clock.pictures for part in parts)
    times, corrupt, pixels = frames_of(parts)
    np.testing.assert_array_equal(times, np.arange(13) / 25)
    assert pixels.shape == (13, 0, 0, 3) and not corrupt.any()


def test_spans_after_the_end_add_nothing(tmp_path: Path):
    clip = write_clip(tmp_path / "a.mp4", stripes(), sound=tone(0.5))
    pictures, sounds = decode_video(clip, [5.0, 6.0, 7.0]), decode_audio(clip, [5.0, 6.0, 7.0])
    assert [len(part.clock) for part in pictures] == [12, 0, 0, 0]
    assert all(part.clock.last for part in pictures) and all(part.last for part in sounds)


def test_the_last_frame_comes_with_the_end_mark(tmp_path: Path):
    clip = write_clip(tmp_path / "a.mp4", stripes())
    assert [part.clock.last for part in decode_video(clip, [0.44, 0.45])] == [False, True, True]


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
def test_chunks_change_no_value(law_clips: list[Path], number: int, cuts: list[float]):
    pictures, sounds = decode_video(law_clips[number], cuts), decode_audio(law_clips[number], cuts)
    for found, wanted in zip(frames_of(pictures), frames_of(decode_video(law_clips[number])), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))
    np.testing.assert_array_equal(sound_of(sounds), sound_of(decode_audio(law_clips[number])))
    for part, stop in zip(pictures, cuts, strict=False):
        assert (part.clock.times < stop).all()
    for part, stop in zip(sounds, cuts, strict=False):
        assert part.last or part.start + (part.samples.shape[1] - 1) / 16000 < stop + 1e-9 or not part.samples.numel()


@needs_real_clips
@pytest.mark.parametrize("row", [row for row in real_clips() if row["frames"]], ids=lambda row: row["file"])
def test_every_frame_of_a_real_clip_has_the_containers_time(row: dict[str, str]):
    path = CLIPS / row["file"]
    with av.open(str(path)) as container:
        shown = [packet for packet in container.demux(video=0) if packet.size and not packet.is_discard]
    stamps = np.sort([float(packet.pts * packet.time_base) for packet in shown])
    parts = decode_video(path, list(np.arange(2.0, stamps[-1] + 2.0, 2.0)))
    times = np.concatenate([part.clock.times for part in parts])
    assert len(times) == int(row["frames"])
    np.testing.assert_allclose(times, stamps - stamps[0], atol=1e-3)
    stored = int(row["height"]), int(row["width"])
    assert tuple(parts[0].pixels.shape[1:3]) == (stored[::-1] if row["rotation"] == "-90" else stored)
