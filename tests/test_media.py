"""Facts of media files, and the errors for files that cannot be read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from av import Packet
from av.stream import Disposition

from avfer.container import ContinuousTimes, read_packets
from avfer.errors import MediaError
from avfer.media import probe
from tests.media_maker import TICK, cut_off, rewrite, spoil, stripes, tone, write_clip


@pytest.mark.parametrize(
    ("name", "options", "facts"),
    [
        ("a.mp4", {}, {"video_codec": "h264", "video_width": 96, "video_height": 64, "video_fps": 25.0}),
        ("a.mp4", {"rotation": 90}, {"video_width": 64, "video_height": 96, "video_rotation": 90}),
        ("a.mp4", {"rotation": 180}, {"video_width": 96, "video_height": 64, "video_rotation": 180}),
        ("a.mp4", {"rotation": -90}, {"video_width": 64, "video_height": 96, "video_rotation": 270}),
        ("a.mkv", {"codec": "libx265", "pix_fmt": "yuv420p10le"}, {"video_pix_fmt": "yuv420p10le"}),
        ("a b é 中.mkv", {"fps": 50}, {"container": "matroska,webm", "video_fps": 50.0, "duration": 0.24}),
        ("per%03dcent.mkv", {"fps": 50}, {"container": "matroska,webm"}),
        ("late.mkv", {"times": np.arange(12) / 25 + 1.5}, {"video_first_s": 1.5, "start_s": 1.5}),
    ],
)
def test_the_facts_of_a_video_are_found(tmp_path: Path, name: str, options: dict, facts: dict):
    found = probe(write_clip(tmp_path / name, stripes(), **options)).facts()
    assert {key: found[key] for key in facts} == facts
    assert found["audio"] is None


@pytest.mark.parametrize(
    ("name", "channels", "sample_rate", "codec"),
    [
        ("a.wav", 1, 8000, "pcm_f32le"),
        ("a.m4a", 6, 48000, "aac"),
        ("a.mp3", 2, 44100, "mp3float"),
        ("a.ogg", 1, 48000, "opus"),
    ],
)
def test_a_sound_file_has_no_video(tmp_path: Path, name: str, channels: int, sample_rate: int, codec: str):
    sound = tone(0.5, sample_rate, channels=channels)
    media = probe(write_clip(tmp_path / name, sound=sound, sample_rate=sample_rate))
    assert media.video is None and media.audio is not None
    assert (media.audio.codec, media.audio.sample_rate, media.audio.channels) == (codec, sample_rate, channels)


def test_cover_art_is_not_video(tmp_path: Path):
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        voice, cover = container.add_stream("libmp3lame", rate=44100), container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(stripes(1)[0], format="rgb24")))
        sound = av.AudioFrame.from_ndarray(tone(1.0), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(voice.encode(sound))
        container.mux(voice.encode(None))
        container.mux(cover.encode(None))
    media = probe(path)
    assert media.video is None and media.audio is not None


def test_a_video_stream_without_packets_is_not_video(tmp_path: Path):
    full = write_clip(tmp_path / "full.mkv", stripes(), sound=tone(1))
    media = probe(rewrite(full, tmp_path / "bare.mkv", lambda _, data: None))
    assert media.video is None and media.audio is not None


def test_the_first_of_two_video_streams_is_read(tmp_path: Path):
    media = probe(write_clip(tmp_path / "two.mp4", stripes(), more_frames=[stripes(5, 32, 32)]))
    assert media.video is not None
    assert (media.video.index, media.video.width) == (0, 96)


@pytest.mark.parametrize("default", [None, 0, 1])
def test_the_sound_that_players_choose_is_read(tmp_path: Path, default: int | None):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=rate) for rate in (8000, 16000)]
        for number, stream in enumerate(streams):
            stream.layout = "mono"
            stream.disposition = Disposition.default if number == default else Disposition(0)
        for stream in streams:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate = stream.rate
            container.mux(stream.encode(sound))
    audio = probe(path).audio
    assert audio is not None
    assert audio.sample_rate == (16000 if default == 1 else 8000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"This is a text, not a video.\n" * 50, "it is a text file"),
        (b"1\n00:00:00,000 --> 00:00:01,000\nHello\n", "has neither video nor sound|it is a text file"),
        (bytes(range(256)) * 40, "damaged or not a media file"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0\0\1\0mdat" + b"\1" * 300, r"index \(moov\) is missing"),
    ],
)
def test_a_file_that_is_no_media_file_is_refused_with_the_reason(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=message) as caught:
        probe(path)
    assert "clip.mp4" in str(caught.value)


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(MediaError, match="is a folder"):
        probe(tmp_path)


def test_a_file_name_that_is_too_long_is_refused(tmp_path: Path):
    with pytest.raises(MediaError, match="too long; check the path"):
        probe(tmp_path / ("x" * 300 + ".mp4"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_file_without_permission_is_refused(tmp_path: Path):
    clip = write_clip(tmp_path / "secret.mp4", stripes())
    clip.chmod(0)
    try:
        os.seteuid(65534)
        with pytest.raises(MediaError, match="no permission"):
            probe(clip)
    finally:
        os.seteuid(0)


def test_an_mp4_without_its_index_is_refused(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mp4", stripes())
    with pytest.raises(MediaError, match="moov"):
        probe(cut_off(whole, tmp_path / "cut.mp4", 0.5))


def test_a_video_without_a_decodable_frame_is_refused(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mkv", stripes(), sound=tone(1))
    with pytest.raises(MediaError, match=r"no frame of .* can be decoded"):
        probe(rewrite(whole, tmp_path / "spoilt.mkv", spoil(*range(12))))


PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile clip.ts\n",
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:0.48,\nclip.ts\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
    ' mediaPresentationDuration="PT1S"><Period><AdaptationSet><Representation id="1" bandwidth="1">'
    "<BaseURL>clip.ts</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "vobsub": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".m3u8", ".jpg"])
def test_a_playlist_is_refused_whatever_its_suffix(tmp_path: Path, name: str, suffix: str):
    write_clip(tmp_path / "clip.ts", stripes(), codec="mpeg2video")
    path = tmp_path / f"clip{suffix}"
    path.write_text(PLAYLISTS[name])
    message = rf"playlist \(format {name}\)" if suffix != ".jpg" else "playlist|no frame"  # read as a damaged JPEG
    with pytest.raises(MediaError, match=message):
        probe(path)


def test_a_format_that_is_not_read_is_refused(tmp_path: Path):
    """SubRip text in binary: FFmpeg finds a format that is none of those that are read."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"SMK2" + bytes(200))  # a video of games
    with pytest.raises(MediaError, match="none of those that avfer reads"):
        probe(path)


def test_frames_of_absurd_size_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip = write_clip(tmp_path / "a.mkv", stripes())
    monkeypatch.setattr("avfer.container.MAX_PIXELS", 64 * 64)
    with pytest.raises(MediaError, match="can be decoded"):
        probe(clip)


def moved(path: Path, *stamps: tuple[Literal["audio", "video"], float | None]) -> list[float]:
    """Return the times (s) to which `ContinuousTimes` moves packets of a file that state these times."""
    times, found = ContinuousTimes(), list[float]()
    with av.open(str(path)) as container:
        first = {packet.stream.type: packet for packet in container.demux() if packet.size}
        for kind, time in stamps:
            packet = Packet(b"frame")
            packet.stream, packet.time_base, packet.duration = first[kind].stream, TICK, round(0.04 / TICK)
            packet.dts = packet.pts = None if time is None else round(time / TICK)
            times.move(packet)
            found += [] if packet.pts is None else [round(float(packet.pts * TICK), 6)]
    return found


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ([5.0, 5.04, 0.0, 0.04, 0.08], [5.0, 5.04, 5.08, 5.12, 5.16]),  # joined
        ([5.0, 5.04, 0.0, 0.04, 0.0, 0.04], [5.0, 5.04, 5.08, 5.12, 5.08, 5.12]),  # a step back of less than a second
        ([5.0, 5.04, 0.0, 2.0, 2.04, 0.0], [5.0, 5.04, 5.08, 7.08, 7.12, 7.16]),  # joined twice, with a gap
        ([5.0, 5.04, 1.0, 5.12, 5.16], [5.0, 5.04, 5.08, 5.12, 5.16]),  # one wrong time stamp
        ([5.0, 5.04, 900.0, 5.12, 5.16], [5.0, 5.04, 900.0, 5.12, 5.16]),
        ([5.0, 5.04, None, 70.0, 70.04], [5.0, 5.04, 70.0, 70.04]),  # a gap
    ],
)
def test_time_stamps_that_start_over_continue(tmp_path: Path, times: list[float | None], wanted: list[float]):
    clip = write_clip(tmp_path / "a.ts", stripes(9), codec="mpeg2video")
    assert moved(clip, *(("video", time) for time in times)) == wanted


def test_where_time_stamps_start_over_all_streams_move_by_the_same_seconds(tmp_path: Path):
    clip = write_clip(tmp_path / "a.ts", stripes(9), codec="mpeg2video", sound=tone(0.2))
    before = ("video", 9.86), ("video", 9.9), ("audio", 9.96), ("audio", 10.0)
    after = ("video", 0.1), ("audio", 0.0), ("video", 0.14), ("audio", 0.04)
    assert moved(clip, *before, *after)[4:] == [10.04, 9.94, 10.08, 9.98]


class LateStream:
    """A container in which a stream appears that PyAV does not know, so that reading its end fails."""

    def __init__(self, container: av.container.InputContainer) -> None:
        self._container, self.format, self.streams = container, container.format, container.streams

    def demux(self, *streams: av.VideoStream) -> Iterator[av.Packet]:
        yield from self._container.demux(*streams)
        raise IndexError("list index out of range")


def test_a_file_in_which_a_stream_appears_late_is_read_to_its_end(tmp_path: Path):
    with av.open(str(write_clip(tmp_path / "a.ts", stripes(12), codec="mpeg2video"))) as container:
        packets = list(read_packets(LateStream(container), container.streams.video[0]))  # pyright: ignore[reportArgumentType]
    assert len(packets) == 13 and packets[-1] is None
