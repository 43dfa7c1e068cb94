"""The spans of a clip that pass the threads of a pipeline: which chunk comes next, and what their values hold."""

import math
from dataclasses import dataclass
from typing import Any

from avfer.face_measures import FaceMeasures
from avfer.prefetch import MAX_WAITING_BYTES
from avfer.types import AudioBatch, FaceCrops, FaceDetections, FaceFeatures, FaceTracks, FrameBatch

Values = dict[str, Any]  # outputs of the stages for one span, by the names of the stages, and AFTER_END
AFTER_END = "after end"  # -> whether the span begins after the last frame and the last sample of the clip


@dataclass(frozen=True)
class ChunkToDecode:
    """The chunk of a clip from which the decoding stages output next."""

    number: int = 0  # counted from the start of the clip
    reached: float = -math.inf  # s, start of the next frame or sample when this chunk was chosen

    @property
    def after_end(self) -> bool:
        """Whether the clip has no further frame or sample."""
        return self.reached == math.inf

    def after(self, next_time: float, chunk: float) -> "ChunkToDecode":
        """Return the chunk for the step that outputs the frame or sample at `next_time` seconds.

        The chunk stays the same while it has more frames than fit into one step. Chunks without content are left out,
        so a gap in a clip costs no step. chunk: s, length of all chunks.
        """
        wanted = math.floor(next_time / chunk) if math.isfinite(next_time) else self.number + 1
        more = wanted <= self.number and next_time > self.reached
        return ChunkToDecode(self.number if more else max(self.number + 1, wanted), next_time)


def waiting_bytes(values: Values) -> int:
    """Return the bytes of the frames and crops among the values of a span, or MAX_WAITING_BYTES after the clip's end.

    So only one span after the end waits for a thread: the last rows need few of them, and each costs some ms.
    """
    if values[AFTER_END]:
        return MAX_WAITING_BYTES
    return sum(value.pixels.nbytes for value in values.values() if isinstance(value, FrameBatch | FaceCrops))


def is_empty(values: Values) -> bool:
    """Return whether a span before the end of the clip has values without content, so that it changes no row.

    They have no frame, face or sample, and report no gap. That the sound has ended is repeated in every later span.
    Spans after the end are not empty: stages that look ahead output their last rows with them. Nor are values of types
    that avfer does not pass between threads.
    """
    return not values[AFTER_END] and all(_is_empty(value) for name, value in values.items() if name != AFTER_END)


def _is_empty(value: object) -> bool:
    match value:
        case AudioBatch():
            return value.samples.shape[1] == 0 and not value.gaps
        case FrameBatch() | FaceDetections() | FaceTracks() | FaceCrops() | FaceFeatures() | FaceMeasures():
            return len(value.clock) == 0 and not value.clock.last
        case _:
            return False
