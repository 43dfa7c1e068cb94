"""The video or photograph of a report: whether the table was made from it, and how the page refers to it."""

import base64
import json
import mimetypes
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from avfer.errors import ConfigError, MediaError
from avfer.export.clip_report.frame_picture import photograph_url
from avfer.export.clip_report.transcode import transcode
from avfer.export.player_clock import player_offset
from avfer.media import Media, probe
from avfer.picture_files import is_photograph, is_picture, is_sequence

VideoMode = Literal["link", "embed", "none"]
MAX_EMBEDDED = 300_000_000  # bytes; browsers cannot hold much longer text
# What all browsers play: containers by ending, codecs by FFmpeg's names.
ENDINGS = {".mp4", ".m4v", ".mov", ".webm", ".mp3", ".wav", ".m4a", ".ogg", ".oga", ".flac"}
VIDEO_CODECS = {"h264", "vp8", "vp9", "av1", "libdav1d"}
AUDIO_CODECS = {"aac", "mp3", "opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le", "pcm_f32le"}
PIXELS = {"yuv420p", "yuvj420p", None}  # of H.264; other formats need a decoder that few browsers have


@dataclass(frozen=True)
class ReportVideo:
    """What a page knows of its video."""

    name: str  # file name, for messages
    reference: str = ""  # URL of the file relative to the page; empty if there is none, or it is embedded
    data: str = ""  # the file as base64, if it is embedded
    kind: str = ""  # MIME type of the embedded file
    still: bool = False  # the clip is a photograph: the page shows it without a player
    picture: str = ""  # the photograph as a data URL
    offset: float = 0.0  # s, what a player calls the time 0 of the table
    width: int = 0  # px, as displayed; 0: no picture
    height: int = 0  # px
    notes: tuple[str, ...] = ()  # what is missing: the file, or the one that the table was made from
    remark: str = ""  # what file is shown in place of the clip
    format: str = ""  # the note on a format that many browsers do not play; shown unless the reader's does
    readable: bool = False  # whether faces can be cut out of the file

    def as_data(self) -> dict[str, object]:
        """Return what the script of the page reads; the embedded data are a part of the page of their own."""
        return {
            "name": self.name,
            "reference": self.reference,
            "embedded": bool(self.data),
            "kind": self.kind,
            "still": self.still,
            "picture": self.picture,
            "offset": self.offset,
            "width": self.width,
            "height": self.height,
            "notes": list(self.notes),
            "remark": self.remark,
            "format": self.format,
        }


def find_video(
    clip: Path, metadata: Mapping[str, str], page: Path, mode: VideoMode = "link", transcoded: Path | None = None
) -> ReportVideo:
    """Return the reference to the video of a table.

    clip: where the video should be; metadata: of the table; page: the file that the page is written to; transcoded: an
    MP4 to write if the video is in a format that browsers do not play.

    A photograph becomes a part of the page in every mode but "none".
    A video that is missing, damaged or changed since is no error: the result says so in its notes.
    Raises ConfigError if a file of more than MAX_EMBEDDED bytes should be embedded, OutputError if the MP4 cannot be
    written.
    """
    empty = replace(_from_metadata(clip.name, metadata), still=is_photograph(clip))
    if mode == "none":
        return replace(empty, notes=("The page was made without the video and without pictures.",))
    if is_sequence(clip):
        return replace(empty, notes=("The clip is a sequence of pictures, which cannot be played.",))
    try:
        media = probe(clip)
    except MediaError as error:
        kind, advice = ("picture", "") if empty.still else ("video", " You can choose it below.")
        return replace(empty, notes=(f"The {kind} could not be read when this page was made: {error}.{advice}",))
    notes = _changes(clip, metadata)
    found = replace(empty, readable=not notes, offset=_offset(media))
    if media.video is not None:
        found = replace(found, width=media.video.width, height=media.video.height)
    if found.still:
        return replace(found, picture=photograph_url(clip), notes=tuple(notes))
    if fault := unplayable(media):
        if transcoded is None:
            advice = "make the page again with avfer report TABLE --transcode, which writes an MP4 beside it"
            found = replace(found, format=f"Many browsers do not play this video ({fault}); {advice}.")
        else:
            found = replace(found, offset=transcode(media, transcoded))
            found = replace(
                found, remark=f"The video is shown as {transcoded.name}: many browsers do not play {fault}."
            )
            clip = transcoded
    found = replace(found, notes=tuple(notes))
    return _embedded(found, clip) if mode == "embed" else replace(found, reference=_reference(clip, page))


def unplayable(media: Media) -> str:
    """Return why browsers do not play a file, "MKV" or "hevc video"; empty text if they play it."""
    if media.path.suffix.lower() not in ENDINGS:
        return media.path.suffix.removeprefix(".").upper() or media.container
    if media.video is not None and media.video.codec not in VIDEO_CODECS:
        return f"{media.video.codec} video"
    if media.video is not None and media.video.codec == "h264" and media.video.pix_fmt not in PIXELS:
        return f"h264 video in {media.video.pix_fmt}"
    if media.audio is not None and media.audio.codec.removesuffix("float") not in AUDIO_CODECS:
        return f"{media.audio.codec} audio"
    return ""


def _from_metadata(name: str, metadata: Mapping[str, str]) -> ReportVideo:
    """Return a video that is known from the metadata of its table alone."""
    try:
        width, height = int(metadata.get("video_width", 0)), int(metadata.get("video_height", 0))
    except ValueError:
        width, height = 0, 0
    return ReportVideo(name, offset=player_offset(metadata), width=width, height=height)


def _offset(media: Media) -> float:
    """Return the time (s) of the first frame in a player, whose clock begins with the container."""
    return max(0.0, media.video.first_s - media.start_s) if media.video is not None else 0.0


def _changes(clip: Path, metadata: Mapping[str, str]) -> list[str]:
    """Return a note if the size of the file differs from the one that the table was made from."""
    try:
        before = json.loads(metadata.get("input") or "{}").get("size")
    except (ValueError, AttributeError):
        return []
    now = clip.stat().st_size
    if before in (None, now):
        return []
    kind, shown = ("picture", "values") if is_picture(clip) else ("video", "curves")
    return [
        f"The {kind} has changed since the table was made ({before} bytes then, {now} now): it may not fit the {shown},"
        " and no faces are shown. Run the clip again."
    ]


def _reference(clip: Path, page: Path) -> str:
    """Return the URL of a file relative to a page; an absolute one if they are on different drives."""
    try:
        relative = os.path.relpath(clip.resolve(), page.resolve().parent)
    except ValueError:
        return clip.resolve().as_uri()
    return quote(Path(relative).as_posix())


def _embedded(video: ReportVideo, clip: Path) -> ReportVideo:
    """Return the video with its file as base64. Raises ConfigError if it is too large."""
    size = clip.stat().st_size
    if size > MAX_EMBEDDED:
        raise ConfigError(
            f"--embed: {clip} has {size / 1e6:.0f} MB, more than the {MAX_EMBEDDED / 1e6:.0f} MB that a page can hold;"
            " link it (without --embed)"
        )
    kind = mimetypes.guess_type(clip.name)[0] or "video/mp4"
    return replace(video, data=base64.b64encode(clip.read_bytes()).decode(), kind=kind)
