"""Frames of a clip as JPEG data URLs, which a page holds: a photograph whole, faces as squares."""

import base64
import io
from pathlib import Path

import numpy as np
from av import VideoFrame
from PIL import Image

from avfer.container import decode_packet, open_container, read_packets, upright, video_stream

LONGEST = 1280  # px, longer side of a photograph or a transcoded video on a page at most
QUALITY = 88  # of the JPEG of a photograph


def upright_picture(frame: VideoFrame) -> Image.Image:
    """Return a frame as it is displayed, in RGB."""
    return Image.fromarray(np.ascontiguousarray(upright(frame.to_ndarray(format="rgb24"), frame)))


def jpeg_url(picture: Image.Image, quality: int) -> str:
    """Return a picture as a data URL of a JPEG.   quality: of the JPEG, 1 to 95"""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def photograph_url(path: Path) -> str:
    """Return a photograph as a data URL, at most LONGEST px on a side, whatever format its file has.

    A file without a frame gives an empty text. Raises MediaError if it cannot be opened.
    """
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            return ""
        for packet in read_packets(container, stream):
            for frame in decode_packet(stream, packet) or ():
                picture = upright_picture(frame)
                picture.thumbnail((LONGEST, LONGEST))
                return jpeg_url(picture, QUALITY)
    return ""
