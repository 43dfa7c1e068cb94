"""The clock of a video player, which begins with the container, where `time_s` begins with the first frame."""

from collections.abc import Mapping


def player_offset(metadata: Mapping[str, str]) -> float:
    """Return what a player of a clip calls the time 0 of its table, in s: how long its audio begins before its video.

    metadata: of the table; 0 if it does not state where container and video begin.

    >>> player_offset({"start_s": "1.4", "video_first_s": "1.9"})
    0.5
    """
    try:
        offset = float(metadata.get("video_first_s", 0.0)) - float(metadata.get("start_s", 0.0))
    except ValueError:
        return 0.0
    return max(0.0, offset)
