"""Where the one label of a whole clip stands in time.

A clip with one label is an example of one step, at the middle of the clip as its header tells: what is predicted
there is what is scored, and the features there are what is learned from. Nothing is decoded.
"""

from pathlib import Path

import numpy as np

from avfer.datasets.example import Notes
from avfer.errors import MediaError

UNREADABLE = "clips whose length no header tells: their label stands at 0 s"


def middle(path: Path, notes: Notes) -> np.ndarray:
    """(1,) s, half of the length of a clip; 0 where no header tells it, which is counted."""
    import av

    from avfer.media import opened

    try:
        with opened(path) as container:
            length = container.duration
    except MediaError as error:
        notes.add(UNREADABLE, str(error))
        return np.zeros(1)
    notes.add(UNREADABLE, path, int(not length))
    return np.array([(length or 0) / av.time_base / 2])
