"""The overlay in a real browser: it plays to its end, and shows the frames of its source at their times."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from avfer.export.overlay import VideoOverlay
from tests.browser import PATIENCE, browser
from tests.export.tracks import make_track
from tests.media_maker import number_of, stripes, tone, write_clip

FRAMES, RATE = 8, 5
CODECS = 'video/mp4; codecs="avc1.64001e, mp4a.40.2"'
PAGE = "<input type='file'><video muted></video>"
LOAD = """() => new Promise((done, fail) => {
  const video = document.querySelector("video");
  const facts = () => done([video.videoWidth, video.videoHeight, video.duration]);
  video.addEventListener("canplaythrough", facts, { once: true });
  video.addEventListener("error", () => fail(video.error));
  video.src = URL.createObjectURL(document.querySelector("input").files[0]);
})"""
PLAY = """() => new Promise((done, fail) => {
  const video = document.querySelector("video");
  video.addEventListener("ended", () => done(video.currentTime));
  video.play().catch(fail);
})"""
PICTURE = """async (time) => {
  const video = document.querySelector("video"), canvas = document.createElement("canvas");
  const shown = new Promise((done) => video.requestVideoFrameCallback(done));
  const found = new Promise((done) => video.addEventListener("seeked", done, { once: true }));
  video.currentTime = time;
  await Promise.all([shown, found]);
  Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(PATIENCE // 1000)]


def test_an_overlay_plays_to_its_end_and_shows_the_frames_of_its_source(tmp_path):
    clip = write_clip(tmp_path / "talk.mp4", stripes(FRAMES, 480, 640), RATE, tone(FRAMES / RATE))
    table = make_track([(frame, 1) for frame in range(FRAMES)], FRAMES).to_table()
    VideoOverlay().write(table, clip, tmp_path / "overlay.mp4")
    with browser() as chromium:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.set_content(PAGE)
        if not page.evaluate("codecs => document.createElement('video').canPlayType(codecs)", CODECS):
            pytest.skip("this Chromium plays no H.264 with AAC")
        page.locator("input").set_input_files(str(tmp_path / "overlay.mp4"))
        width, height, duration = page.evaluate(LOAD)
        assert (width, height) == (640, 480) and duration == pytest.approx(FRAMES / RATE, abs=0.1)
        assert page.evaluate(PLAY) == pytest.approx(duration, abs=0.01)
        pictures = [page.evaluate(PICTURE, (frame + 0.5) / RATE) for frame in range(FRAMES)]
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")) for picture in pictures]
    assert [number_of(picture) for picture in shown] == list(range(FRAMES))
    plain = stripes(FRAMES, 480, 640)
    assert all(np.abs(one.astype(int) - own).max() > 100 for one, own in zip(shown, plain, strict=True))  # drawn on
