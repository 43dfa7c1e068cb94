"""The order of the reasons why a row has no face or no affect."""

import numpy as np
import pytest

from avfer.null_reasons import REASONS, reason_column


def reason(pictures: bool = True, reads_voice: bool = True, **facts: float) -> str | None:
    """Return the reason of one row; by default it has neither face nor voice, and speech was not looked for."""
    row = {"corrupt": False, "has_face": False, "has_voice": False, "speech": np.nan, "low_quality": False} | facts
    columns = {name: np.array([value]) for name, value in row.items()}
    return reason_column(pictures, reads_voice=reads_voice, **columns)[0].as_py()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"has_face": True}, None),
        ({"has_face": True, "speech": 0.1}, None),
        ({"has_face": True, "low_quality": True}, "low_quality"),
        ({"has_face": True, "low_quality": True, "corrupt": True}, "decode_error"),
        ({}, "no_face"),
        ({"has_voice": True, "speech": 0.9}, "no_face"),
        ({"speech": 0.1}, "no_speech"),
        ({"speech": 0.1, "corrupt": True}, "decode_error"),
        ({"pictures": False}, "no_audio"),
        ({"pictures": False, "reads_voice": False}, "no_picture"),
        ({"pictures": False, "has_voice": True}, "no_picture"),
        ({"pictures": False, "has_voice": True, "speech": 0.9}, "no_picture"),
        ({"pictures": False, "speech": 0.1}, "no_speech"),
    ],
)
def test_a_row_has_the_first_reason_that_applies(facts, expected):
    assert reason(**facts) == expected
    assert expected is None or expected in REASONS
