"""Why a row of the table has no face or no affect: the texts of the column `reason`, in their order."""

import numpy as np
import pyarrow as pa

from avfer.arrow_columns import text_column

# Where several apply, a row has the first of them.
REASONS = ("decode_error", "no_audio", "no_picture", "no_face", "no_speech", "low_quality")


def reason_column(
    pictures: bool,
    corrupt: np.ndarray,
    has_face: np.ndarray,
    has_voice: np.ndarray,
    speech: np.ndarray,
    low_quality: np.ndarray,
    reads_voice: bool,
) -> pa.Array:
    """Return the first reason that applies to each of R rows, null for a row that was read from a face.

    pictures: whether rows are frames, and not ticks of a fixed clock; corrupt: (R,) bool, the frame is damaged;
    has_face, has_voice: (R,) bool, what the row was read from; speech: (R,) in [0, 1], NaN where there is no sound or
    speech was not looked for; low_quality: (R,) bool; reads_voice: whether the pipeline reads the voice
    -> (R,) string column.
    """
    without_speech = ~has_face & ~has_voice & ~np.isnan(speech)
    without_face = ~has_face & ~without_speech
    applies = {
        "decode_error": corrupt,
        "no_audio": without_face & ~has_voice & (not pictures and reads_voice),
        "no_picture": without_face & (not pictures),
        "no_face": without_face,
        "no_speech": without_speech,
        "low_quality": low_quality,
    }
    first = np.argmax([applies[reason] for reason in REASONS], 0)
    return text_column(REASONS, first, ~np.any([applies[reason] for reason in REASONS], 0))
