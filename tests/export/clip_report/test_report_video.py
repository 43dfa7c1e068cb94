"""The video of a report: linked, embedded, missing, changed, not playable, and its copy as MP4."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avfer.errors import ConfigError
from avfer.export.clip_report import report_video
from avfer.export.clip_report.frame_picture import photograph_url
from avfer.export.clip_report.report_video import find_video, unplayable
from avfer.export.clip_report.transcode import transcode
from avfer.media import probe
from tests.media_maker import stripes, tone, write_clip
from tests.stages.decoding import decode_video, frames_of, turn


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "my talk#1.mp4", stripes(4))


def state(clip: Path) -> dict[str, str]:
    return {"input": json.dumps({"size": clip.stat().st_size, "modified": 0})}


def test_the_link_is_relative_to_the_page_and_quoted(clip):
    found = find_video(clip, state(clip), clip.parent / "out" / "page.html")
    assert found.reference == "../my%20talk%231.mp4" and found.notes == () and found.format == ""
    assert (found.width, found.height, found.readable) == (96, 64, True)


def test_an_embedded_file_is_whole(clip):
    found = find_video(clip, {}, Path("page.html"), "embed")
    assert base64.b64decode(found.data) == clip.read_bytes() and found.reference == "" and found.kind == "video/mp4"


def test_a_file_that_is_too_large_is_not_embedded(clip, monkeypatch):
    monkeypatch.setattr(report_video, "MAX_EMBEDDED", 100)
    with pytest.raises(ConfigError, match="--embed"):
        find_video(clip, {}, Path("page.html"), "embed")


def test_a_missing_clip_is_a_note(tmp_path):
    found = find_video(tmp_path / "gone.mp4", {"video_width": "640", "video_height": "360"}, tmp_path / "page.html")
    assert "gone.mp4' does not exist" in found.notes[0] and not found.readable and found.reference == ""
    assert (found.width, found.height) == (640, 360)


def test_a_clip_of_another_size_is_a_note_and_gives_no_faces(clip):
    found = find_video(clip, {"input": '{"size": 5}'}, Path("page.html"))
    assert "has changed since the table was made (5 bytes then" in found.notes[0] and not found.readable


@pytest.mark.parametrize("text", ["", "[]", "{", '{"size": null}'])
def test_a_table_that_states_no_size_is_not_compared(clip, text):
    assert find_video(clip, {"input": text}, Path("page.html")).notes == ()


def test_without_pictures_nothing_refers_to_the_clip(clip):
    found = find_video(clip, {}, Path("page.html"), "none")
    assert found.reference == found.data == "" and not found.readable


def test_formats_that_browsers_do_not_play_are_named(tmp_path):
    assert unplayable(probe(write_clip(tmp_path / "a.mkv", stripes(2)))) == "MKV"
    assert unplayable(probe(write_clip(tmp_path / "a.mp4", stripes(2), codec="mpeg4"))) == "mpeg4 video"
    full = write_clip(tmp_path / "b.mp4", stripes(2), pix_fmt="yuv444p")
    assert unplayable(probe(full)) == "h264 video in yuv444p"
    found = find_video(full, {}, tmp_path / "page.html")
    assert "--transcode" in found.format and found.reference == "b.mp4"


def test_a_transcoded_copy_keeps_the_times_and_starts_with_the_sound(tmp_path):
    times = np.array([0.0, 0.04, 0.2, 0.24])
    clip = write_clip(tmp_path / "a.mkv", stripes(4), times=times + 0.5, sound=tone(1.0))
    found = find_video(clip, {}, tmp_path / "page.html", transcoded=tmp_path / "page.video.mp4")
    copy = probe(tmp_path / "page.video.mp4")
    assert unplayable(copy) == "" and found.reference == "page.video.mp4"
    assert copy.video is not None and copy.audio is not None
    assert found.offset == pytest.approx(copy.video.first_s, abs=0.002) and found.offset == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("degrees", [0, 90])
def test_pictures_and_copies_of_a_mirrored_clip_are_as_it_is_displayed(clip, tmp_path, degrees):
    mirrored = turn(clip, tmp_path / "mirrored.mp4", degrees, mirror=True)
    shown = frames_of(decode_video(mirrored))[2].numpy()
    transcode(probe(mirrored), tmp_path / "copy.mp4")
    copy = frames_of(decode_video(tmp_path / "copy.mp4"))[2].numpy()
    picture = Image.open(io.BytesIO(base64.b64decode(photograph_url(mirrored).partition("base64,")[2])))
    for found in (copy[0], np.asarray(picture)):
        assert found.shape == shown[0].shape
        assert np.abs(found.astype(int) - shown[0]).mean() < 8


def test_a_clip_that_browsers_play_is_not_transcoded(clip, tmp_path):
    found = find_video(clip, {}, tmp_path / "page.html", transcoded=tmp_path / "page.video.mp4")
    assert found.reference.endswith("my%20talk%231.mp4") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["jpg", "tiff"])  # browsers show no TIFF
def test_a_photograph_is_a_part_of_the_page_and_has_nothing_to_play(tmp_path, ending):
    path = tmp_path / f"face.{ending}"
    Image.new("RGB", (1600, 800), (200, 30, 30)).save(path)
    found = find_video(path, state(path), tmp_path / "page.html")
    assert found.still and found.readable and found.reference == found.format == "" and found.notes == ()
    picture = Image.open(io.BytesIO(base64.b64decode(found.picture.partition("base64,")[2])))
    assert picture.format == "JPEG" and picture.size == (1280, 640)
    assert np.asarray(picture)[320, 640] == pytest.approx((200, 30, 30), abs=4)
    assert find_video(path, state(path), tmp_path / "page.html", "none").picture == ""


def test_a_photograph_that_is_missing_is_a_note_without_a_file_to_choose(tmp_path):
    found = find_video(tmp_path / "gone.png", {}, tmp_path / "page.html")
    assert found.still and found.notes[0].startswith("The picture could not be read")
    assert "choose" not in found.notes[0]
