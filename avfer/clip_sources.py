"""The clip that a caller passes to a pipeline, a media file or arrays in memory, checked and with its facts."""

from pathlib import Path
from typing import Any

from avfer.errors import ConfigError
from avfer.local_paths import local_path
from avfer.media import Media, probe
from avfer.readers.arrays import array_media, clip_arrays
from avfer.types import Clip

ARRAY_FPS = 25.0  # frames per second of arrays whose caller does not state it


def resolve_clip(
    clip: Any, sound: str | Path | None, fps: float | None, audio: Any, sample_rate: int | None
) -> tuple[Clip, Media]:
    """Return a clip, given as in `Pipeline.stream`, and its facts.

    Raises MediaError if a file cannot be read, ConfigError if arrays do not fit, and for options of arrays beside a
    file: they would change nothing.
    """
    sound = None if sound is None else _path("sound", sound)
    if sound is not None and audio is not None:
        raise ConfigError("sound and audio: give one of them, not both")
    if not isinstance(clip, str | Path):
        arrays = clip_arrays(clip, ARRAY_FPS if fps is None else fps, audio, sample_rate)
        media = array_media(arrays)
        return Clip(media.path, sound, arrays), media
    if audio is not None or sample_rate is not None:
        raise ConfigError("audio and sample_rate: belong to frames in memory; name another file of sound by sound=PATH")
    if fps is not None:
        raise ConfigError(
            "fps: belongs to frames in memory; the rate of a sequence of pictures is load(..., sequence_fps=10), and"
            ' load(..., **{"frames.fps": 10}) reads fewer frames of a video'
        )
    media = probe(_path("clip", clip))
    return Clip(media.path, sound), media


def _path(name: str, value: Any) -> Path:
    """Return the path of an argument, with `~` in a text replaced by the home folder.

    Raises ConfigError for a URL, and for a value that is neither a text nor a path.
    """
    if isinstance(value, str) and "://" in value:
        raise ConfigError(f"{name}: must be a local file, got {value}; avfer.label and the command line read URLs")
    if not isinstance(value, str | Path):
        raise ConfigError(f"{name}: must be a path, got {type(value).__name__}; samples are given as audio=...")
    return local_path(value) if isinstance(value, str) else value
