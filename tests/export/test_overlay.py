"""The overlay: frames with predictions drawn on them, at their own times, with the clip's audio."""

from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from avfer.errors import ConfigError, OutputError
from avfer.export import output_suffix
from avfer.export.drawing import draw_rows, rows_by_frame
from avfer.export.overlay import VideoOverlay
from avfer.pipeline import load
from tests.export.tracks import make_track, with_measures
from tests.media_maker import number_of, stripes, tone, write_clip
from tests.steady_stage import write_pipeline

RATE = 16000


def table(count: int) -> pa.Table:
    return make_track([(frame, 1) for frame in range(count)], count).to_table()


def with_detector(count: int) -> pa.Table:
    """Return `table` with a pipeline whose detector needs no network."""
    detector = "{use: detect_faces, from: frames, detector: 'tests.toy_detector:Squares'}"
    stages = f"stages:\n  frames: {{use: decode_video, from: span}}\n  boxes: {detector}\noutput: boxes\n"
    return table(count).replace_schema_metadata({"pipeline": stages})


def write_overlay(clip: Path, table: pa.Table, path: Path) -> Path:
    VideoOverlay().write(table, clip, path)
    return path


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time and pixels of every frame."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def audio_of(path: Path) -> tuple[float, np.ndarray]:
    """Time of the first loud sample, and all samples."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        wave = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        loud = int(np.argmax(np.abs(wave) > 0.1))
        return frames[0].time + loud / frames[0].sample_rate, wave


def test_pose_and_gaze_are_drawn_on_request_where_the_table_has_them(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", stripes(2, 240, 320))
    measured = with_measures(make_track([(0, 1), (1, 1)], 2), ["yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg"])
    images: dict[str, np.ndarray] = {}
    for draw in ("", "pose", "gaze", "pose, gaze"):
        VideoOverlay(draw=draw).write(measured, clip, tmp_path / "b.mp4")
        images[draw] = frames_of(tmp_path / "b.mp4")[0][1].astype(int)
        assert VideoOverlay.read_metadata(tmp_path / "b.mp4").get("overlay_draw", "") == draw.replace(" ", "")
    assert np.abs(images["pose"] - images[""]).max() > 100
    assert np.array_equal(images["gaze"], images[""])  # without gaze_pitch_deg there is no direction
    assert np.array_equal(images["pose, gaze"], images["pose"])


def test_an_overlay_has_every_frame_at_its_own_time(tmp_path):
    times = [0.0, 0.04, 0.2, 0.21, 0.5, 0.9]  # variable frame rate
    clip = write_clip(tmp_path / "a.mp4", stripes(6, 240, 320), times=times)
    shown = frames_of(write_overlay(clip, table(6), tmp_path / "b.mp4"))
    assert [time for time, _ in shown] == pytest.approx(times, abs=1e-3)
    original = frames_of(clip)
    assert all(np.any(now != then) for (_, now), (_, then) in zip(shown, original, strict=True))


def test_an_overlay_keeps_the_frames_of_the_clip(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", stripes(5, 480, 640))
    out = write_overlay(clip, make_track([], 5).to_table(), tmp_path / "b.mp4")
    assert [number_of(picture) for _, picture in frames_of(out)] == [0, 1, 2, 3, 4]


def test_the_overlay_of_a_photograph_is_a_picture_of_its_size_with_the_metadata(tmp_path):
    photo, overlay = tmp_path / "photo.png", tmp_path / "photo.overlay.jpg"
    Image.fromarray(stripes(1, 161, 201)[0]).save(photo)
    assert output_suffix(VideoOverlay(), photo) == ".overlay.jpg"
    assert (
        output_suffix(VideoOverlay(), tmp_path / "%04d.png")
        == output_suffix(VideoOverlay(), tmp_path)
        == ".overlay.mp4"
    )
    write_overlay(photo, table(1), overlay)
    assert VideoOverlay.read_metadata(overlay)["clip"] == "talk.mp4"
    with Image.open(overlay) as picture:
        assert picture.format == "JPEG" and picture.size == (201, 161)
        pixels = np.asarray(picture).astype(int)
    expected = draw_rows(np.asarray(Image.open(photo)), rows_by_frame(table(1))[0])
    assert np.abs(pixels - expected).mean() < 3 < np.abs(pixels - np.asarray(Image.open(photo))).mean()
    long = table(1).replace_schema_metadata({"clip": "talk.mp4", "note": "a" * 70_000})
    assert VideoOverlay.read_metadata(write_overlay(photo, long, overlay)) == {}  # a JPEG has no room for it


def test_an_overlay_of_odd_sized_frames_has_even_sides(tmp_path):
    clip = write_clip(tmp_path / "a.mkv", stripes(3, 63, 95), pix_fmt="yuv444p")
    assert frames_of(write_overlay(clip, table(3), tmp_path / "b.mp4"))[0][1].shape == (64, 96, 3)


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mkv"])  # copied; encoded as AAC
@pytest.mark.parametrize("late", [0.0, 0.3])
def test_the_audio_keeps_its_position(tmp_path, ending, late):
    codec = "libvpx-vp9" if ending == ".webm" else "libx264"
    tone_1s = tone(1.0, 48000)
    clip = write_clip(
        tmp_path / f"a{ending}", stripes(40, 64, 64), codec=codec, sound=tone_1s, sample_rate=48000, sound_start=late
    )
    out = write_overlay(clip, table(40), tmp_path / "b.mp4")
    start, wave = audio_of(out)
    assert start == pytest.approx(audio_of(clip)[0], abs=0.025)
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(np.sqrt(np.mean(audio_of(clip)[1] ** 2)), rel=0.05)


def test_the_audio_continues_where_its_channels_change(tmp_path):
    later = {"times": 1 + np.arange(25) / 25, "sound_start": 1.0}
    parts = [
        write_clip(tmp_path / "mono.ts", stripes(25), codec="mpeg2video", sound=tone(1.0)),
        write_clip(tmp_path / "stereo.ts", stripes(25), codec="mpeg2video", sound=tone(1.0, channels=2), **later),
    ]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    _, wave = audio_of(write_overlay(tmp_path / "a.ts", table(50), tmp_path / "b.mp4"))
    assert np.abs(wave[: 44100 // 2]).max() > 0.1 and np.abs(wave[int(1.4 * 44100) : int(1.7 * 44100)]).max() > 0.1


PARTS = {  # options of the clip -> frames of a clip of 50 frames at 25 Hz
    "start": ({"start": 0.8}, range(20, 50)),
    "stop": ({"stop": 1.2}, range(30)),
    "part": ({"start": 0.81, "stop": 1.2}, range(21, 30)),
}


@pytest.mark.parametrize("ending", [".mp4", ".webm"])  # the audio is copied; encoded as AAC
@pytest.mark.parametrize("part", PARTS)
def test_an_overlay_has_the_part_of_the_clip_that_was_read(tmp_path, part, ending):
    options, numbers = PARTS[part]
    codec = "libvpx-vp9" if ending == ".webm" else "libx264"
    sound = tone(2.0, 48000)
    clip = write_clip(tmp_path / f"a{ending}", stripes(50, 240, 320), codec=codec, sound=sound, sample_rate=48000)
    table = load(write_pipeline(tmp_path), device="cpu", **options).run(clip).to_table()
    out = write_overlay(clip, table, tmp_path / "b.mp4")
    shown = frames_of(out)
    assert [number_of(picture) for _, picture in shown] == list(numbers) == table["frame"].to_pylist()
    assert [time for time, _ in shown] == pytest.approx(table["time_s"].to_pylist(), abs=1e-4)
    start, wave = audio_of(out)
    first, after = options.get("start", 0.0), options.get("stop", 2.0)
    assert start == pytest.approx(first, abs=0.045)  # at most two packets
    assert np.sum(np.abs(wave) > 0) / 48000 == pytest.approx(after - first, abs=0.045)


def test_frames_that_were_left_out_inside_a_part_are_written(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", stripes(40, 240, 320))
    options = {"start": 0.4, "stop": 1.0, "frames.every": 5}
    table = load(write_pipeline(tmp_path), device="cpu", **options).run(clip).to_table()
    assert table["frame"].to_pylist() == [10, 15, 20]
    shown = frames_of(write_overlay(clip, table, tmp_path / "b.mp4"))
    assert [number_of(picture) for _, picture in shown] == list(range(10, 25))


def test_sound_before_the_first_frame_is_cut_with_it(tmp_path):
    clip = write_clip(tmp_path / "a.mkv", stripes(40, 64, 64), times=1 + np.arange(40) / 25, sound=tone(3.0))
    table = load(write_pipeline(tmp_path), device="cpu", start=0.39, stop=0.79).run(clip).to_table()
    out = write_overlay(clip, table, tmp_path / "b.mp4")
    assert frames_of(out)[0][0] == pytest.approx(0.4, abs=1e-4)
    assert audio_of(out)[0] == pytest.approx(0.4, abs=0.045)
    assert len(audio_of(out)[1]) / 44100 == pytest.approx(0.4, abs=0.045)


@pytest.mark.parametrize(
    ("name", "rate", "late"),
    [("b.wav", 16_000, 0.0), ("b.wav", 37_800, 0.0), ("b.mp3", 44_100, 0.0), ("b.mkv", 48_000, 0.3)],
)
@pytest.mark.parametrize("start", [0.0, 0.6])
def test_an_overlay_has_the_sound_of_a_separate_file(tmp_path, name, rate, late, start):
    """The clip's own sound, an octave lower, is left out; a sound file that has video starts with its first frame."""
    clip = write_clip(tmp_path / "a.mp4", stripes(50, 240, 320), times=1 + np.arange(50) / 25, sound=tone(3.0, 44100))
    frames = stripes(40, 64, 64) if name == "b.mkv" else None
    sound = write_clip(tmp_path / name, frames, sound=tone(1.6, rate, 880), sample_rate=rate, sound_start=late)
    table = load(write_pipeline(tmp_path), device="cpu", start=start).run(clip, sound=sound).to_table()
    VideoOverlay().write_with_sound(table, clip, sound, tmp_path / "c.mp4")
    first, wave = audio_of(tmp_path / "c.mp4")
    assert first == pytest.approx(max(late, start), abs=0.045)
    assert frames_of(tmp_path / "c.mp4")[0][0] == pytest.approx(start, abs=1e-3)
    with av.open(str(tmp_path / "c.mp4")) as container:
        bin_width = container.streams.audio[0].rate / len(wave)  # Hz
    assert np.argmax(np.abs(np.fft.rfft(wave))) * bin_width == pytest.approx(880, abs=5)


def test_a_sequence_of_pictures_gets_the_sound_of_a_separate_file(tmp_path):
    pictures = [tmp_path / "frames" / f"{number}.png" for number in range(4)]
    pictures[0].parent.mkdir()
    for path, picture in zip(pictures, stripes(4), strict=True):
        Image.fromarray(picture).save(path)
    sound = write_clip(tmp_path / "b.wav", sound=tone(0.2))
    VideoOverlay().write_with_sound(table(4), pictures[0].parent, sound, tmp_path / "c.mp4")
    assert len(frames_of(tmp_path / "c.mp4")) == 4 and np.abs(audio_of(tmp_path / "c.mp4")[1]).max() > 0.1


def test_a_table_of_two_clips_gives_no_overlay(tmp_path: Path) -> None:
    one = table(1)
    other = one.set_column(one.schema.get_field_index("source"), "source", pa.array(["other.mp4"] * len(one)))
    with pytest.raises(ConfigError, match=r"rows of 2 clips \(talk\.mp4, other\.mp4\); export the table of one clip"):
        write_overlay(tmp_path, pa.concat_tables([one, other.cast(one.schema)]), tmp_path / "o.mp4")


def test_a_clip_without_video_is_a_config_error(tmp_path):
    clip = write_clip(tmp_path / "a.wav", sound=tone(0.5))
    with pytest.raises(ConfigError, match="no video"):
        write_overlay(clip, table(1), tmp_path / "b.mp4")


def test_a_full_disk_is_an_output_error(tmp_path, small_disk):
    clip = write_clip(tmp_path / "a.mp4", stripes(5))
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    with pytest.raises(OutputError, match="cannot be written"):
        write_overlay(clip, table(5), small_disk / "b.mp4")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_an_overlay_on_a_full_disk_says_so_and_leaves_nothing(tmp_path, small_disk):
    noise = np.random.default_rng(0).integers(0, 255, (30, 240, 320, 3), np.uint8)
    clip = write_clip(tmp_path / "a.mp4", noise, sound=tone(1.2))
    with pytest.raises(OutputError, match="No space left on device; free some disk space"):
        write_overlay(clip, table(30), small_disk / "b.mp4")
    assert list(small_disk.iterdir()) == []


def test_a_frame_that_was_left_out_is_drawn_with_the_rows_before_it(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", np.full((6, 240, 320, 3), 90, np.uint8))
    kept = table(6).filter(pa.array([frame in (1, 3) for frame in range(6)]))
    shown = [picture for _, picture in frames_of(write_overlay(clip, kept, tmp_path / "b.mp4"))]
    drawn = [bool((np.abs(picture.astype(int) - 90) > 60).any()) for picture in shown]
    assert drawn == [False, True, True, True, False, False]


def test_an_overlay_states_whose_faces_are_blurred_and_who_is_not(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", stripes(3, 240, 320))
    for blur, kept in (("", None), ("all", None), ("others", "track 1")):
        VideoOverlay(blur=blur).write(with_detector(3), clip, tmp_path / "b.mp4")
        metadata = VideoOverlay.read_metadata(tmp_path / "b.mp4")
        assert (metadata.get("overlay_blur", ""), metadata.get("overlay_not_blurred")) == (blur, kept)


def test_a_blurred_face_has_its_box_and_its_values_drawn_on_the_blur(tmp_path):
    checks = (np.indices((240, 320)).sum(0) // 6 % 2 * 200).astype(np.uint8)
    clip = write_clip(tmp_path / "a.mp4", np.repeat(checks[None, :, :, None], 3, 0).repeat(3, 3))
    VideoOverlay(blur="all").write(with_detector(3), clip, tmp_path / "b.mp4")
    shown = frames_of(tmp_path / "b.mp4")[0][1].astype(int)
    assert shown[60:120, 30:90].std() < 8  # the checks are gone
    assert np.ptp(shown[80, 5:16], 0).max() > 60  # the left side of the box
    assert np.abs(shown[20:60, 240:] - frames_of(clip)[0][1][20:60, 240:]).mean() < 8


def test_an_overlay_can_be_played_before_it_is_loaded_whole(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", stripes(5))
    content = write_overlay(clip, table(5), tmp_path / "b.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_a_table_of_numbers_only_gives_no_overlay(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", stripes(2))
    private = table(2).replace_schema_metadata({"numbers_only": "true"})
    with pytest.raises(ConfigError, match=r"numbers_only: 'overlay' .* shows pictures of the clip; leave it out"):
        write_overlay(clip, private, tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()
