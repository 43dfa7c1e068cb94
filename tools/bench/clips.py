"""Clips for benchmarks, made from the demo clip, so that anyone can repeat the figures."""

from itertools import count
from pathlib import Path

import av
import numpy as np
from PIL import Image

DEMO = Path(__file__).parents[2] / "tests" / "data" / "demo.mp4"


def talking_720p(path: Path, seconds: float) -> Path:
    """Write a clip of `seconds` with one talking face, unless it exists: 1280x720, 30 fps, H.264, AAC.

    The frames of the demo clip are played forwards and backwards, its audio is repeated.
    """
    if path.exists():
        return path
    pictures = [frame.to_image() for frame in av.open(str(DEMO)).decode(video=0)]
    wide = [_widened(picture) for picture in pictures]
    loop = [*wide, *wide[::-1]]
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        video = out.add_stream("libx264", rate=30, options={"preset": "fast", "crf": "20"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        track = out.add_stream("aac", rate=16000, layout="mono")
        wave = _speech(seconds)
        for i in range(round(seconds * 30)):
            out.mux(video.encode(av.VideoFrame.from_ndarray(loop[i % len(loop)], format="rgb24")))
        out.mux(video.encode(None))
        for start, index in zip(range(0, len(wave), 1024), count()):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, index * 1024
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return part.replace(path)


def one_face_4k(path: Path, seconds: float) -> Path:
    """Write a clip of `seconds` with one face, unless it exists: 3840x2160, 25 fps, H.264."""
    return faces_in_cells(path, seconds, (3840, 2160), 1, 1)


def twenty_faces_1080p(path: Path, seconds: float) -> Path:
    """Write a clip of `seconds` with twenty faces in a grid, unless it exists: 1920x1080, 25 fps, H.264."""
    return faces_in_cells(path, seconds, (1920, 1080), 5, 4)


def faces_in_cells(path: Path, seconds: float, size: tuple[int, int], columns: int, rows: int) -> Path:
    """Write a silent clip of `seconds` with a face in each cell of a grid, unless it exists: 25 fps, H.264.

    size: width and height, px.
    """
    if path.exists():
        return path
    return _looped(path, seconds, [_grid(picture, size, columns, rows) for picture in _demo_pictures()])


def _demo_pictures() -> list[Image.Image]:
    """Return the first second of the demo clip."""
    return [frame.to_image() for frame in av.open(str(DEMO)).decode(video=0)][:25]


def _grid(picture: Image.Image, size: tuple[int, int], columns: int, rows: int) -> np.ndarray:
    """Return a frame (H, W, 3) uint8 of a size (W, H) with a picture in the middle of every cell of a grid."""
    width, height = size[0] // columns, size[1] // rows
    side = min(width, height)
    small = picture.resize((side, side), Image.Resampling.LANCZOS)
    frame = Image.new("RGB", size, (90, 96, 104))
    for cell in range(columns * rows):
        frame.paste(small, (cell % columns * width + (width - side) // 2, cell // columns * height))
    return np.asarray(frame)


def _looped(path: Path, seconds: float, frames: list[np.ndarray]) -> Path:
    """Encode frames forwards and backwards once, at 25 Hz, and repeat the packets up to `seconds`."""
    loop = path.with_suffix(".loop.mp4")
    if not path.exists():
        with av.open(str(loop), "w") as out:
            video = out.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "23", "bf": "0"})
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = "yuv420p"
            for frame in [*frames, *frames[::-1]]:
                out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            out.mux(video.encode(None))
    return repeated(loop, path, max(1, round(seconds * 25 / (2 * len(frames)))))


def repeated(clip: Path, path: Path, times: int) -> Path:
    """Write the packets of a clip `times` times in a row, unless the file exists: a long clip without encoding."""
    if path.exists():
        return path
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        with av.open(str(clip)) as source:
            streams = {s.index: out.add_stream_from_template(s) for s in source.streams if s.type in {"video", "audio"}}
            length = source.duration / av.time_base + 0.5  # decoding times start before 0
        for turn in range(times):
            with av.open(str(clip)) as source:
                for packet in source.demux():
                    if packet.dts is None or packet.stream.index not in streams:
                        continue
                    shift = round(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return part.replace(path)


def _widened(picture: Image.Image) -> np.ndarray:
    """Return a frame, (720, 1280, 3) uint8, with a square picture in the middle of its blurred enlargement."""
    frame = picture.resize((32, 18)).resize((1280, 720), Image.Resampling.BICUBIC)
    frame.paste(picture.resize((720, 720), Image.Resampling.LANCZOS), (280, 0))
    return np.asarray(frame)


def _speech(seconds: float) -> np.ndarray:
    """Return the repeated audio of the demo clip: (S,) float32 at 16 kHz."""
    with av.open(str(DEMO)) as source:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=16000)
        frames = [r.to_ndarray()[0] for f in source.decode(audio=0) for r in resampler.resample(f)]
    wave = np.concatenate(frames).astype(np.float32)
    return np.tile(wave, int(np.ceil(seconds * 16000 / len(wave))))[: round(seconds * 16000)]
