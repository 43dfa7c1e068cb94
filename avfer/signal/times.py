"""Times as users write them: seconds, or hours, minutes and seconds."""

import math

from avfer.errors import ConfigError


def parse_seconds(value: float | str, option: str) -> float:
    """Return a time in seconds that is written as a number, "mm:ss" or "hh:mm:ss". Raises ConfigError for other text.

    >>> parse_seconds("01:02:03.5", "start")
    3723.5
    """
    try:
        parts = [float(part) for part in str(value).split(":")]
    except ValueError:
        parts = []
    seconds = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    right = 1 <= len(parts) <= 3 and all(0 <= part < 60 for part in parts[1:]) and 0 <= seconds < math.inf
    if not right:
        raise ConfigError(f"{option}: must be seconds >= 0 or hh:mm:ss, got {value!r}")
    return seconds
