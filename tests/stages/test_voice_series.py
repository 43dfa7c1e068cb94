"""The voice as a function of time: windows at 1, 2 and 4 s with the values 10, 20 and 40; sound from 0.5 to 5 s."""

import math

import numpy as np
import pytest
import torch

from avfer.stages.voice_series import VoiceSeries, extended
from avfer.types import VoiceFeatures


def series(last: bool = True, silent: tuple[bool, bool, bool] = (False, False, False)) -> VoiceSeries:
    values, times = torch.tensor([[10.0], [20.0], [40.0]]), np.array([1.0, 2.0, 4.0])
    return VoiceSeries(values, times, 0.5, 5.0 if last else math.nan, last, np.array(silent))


def at(voice: VoiceSeries, *times: float) -> list[float | None]:
    """Return the voice at some moments, None where there is no sound."""
    values, sounding = voice.at(np.array(times))
    return [value if sound else None for value, sound in zip(values[:, 0].tolist(), sounding, strict=True)]


def test_the_voice_is_linear_between_windows_and_constant_to_both_ends_of_the_sound():
    found = at(series(), 0.4, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5, 4.0, 5.0, 5.1)
    assert found == [None, 10, 10, 15, 20, 30, 35, 40, 40, None]


@pytest.mark.parametrize(
    ("silent", "expected"),
    [
        ((True, False, False), [None, 15, 30, 40]),
        ((True, True, False), [None, None, 30, 40]),
        ((False, True, True), [10, 15, None, None]),
    ],
)
def test_there_is_no_voice_between_two_silent_windows_and_beyond_a_silent_end(silent, expected):
    found = at(series(silent=silent), 0.5, 1.5, 3.0, 4.5)
    assert found == expected


def test_moments_outside_the_sound_and_in_silence_have_the_value_0():
    values, _ = series(silent=(True, True, False)).at(np.array([0.1, 1.5, 6.0]))
    assert not values.any()


def test_a_moment_is_final_up_to_the_newest_window_and_before_the_sound():
    times = np.array([0.4, 0.5, 4.0, 4.001])
    assert series(last=False).is_final(times).tolist() == [True, True, True, False]
    assert series().is_final(times).all()
    later = VoiceSeries(torch.zeros(0, 1), np.zeros(0), start=0.5)
    assert later.is_final(times).tolist() == [True, False, False, False]


def test_the_windows_on_both_sides_of_a_moment_are_kept():
    silent = (False, True, True)
    for time, kept in ((0.0, [1, 2, 4]), (2.5, [1, 2, 4]), (3.0, [2, 4]), (4.0, [2, 4]), (9.0, [4])):
        rest = series(silent=silent).since(time)
        assert rest.times.tolist() == kept and rest.values[:, 0].tolist() == [10.0 * one for one in kept]
        assert rest.silent.tolist() == list(silent[-len(kept) :])
        assert (rest.start, rest.stop, rest.last) == (0.5, 5.0, True)


def test_a_frame_may_be_up_to_a_second_earlier_than_the_one_before_it():
    assert at(series().since(2.5), 1.6) == at(series(), 1.6) == [16]


def test_further_rows_follow_and_bring_the_end_of_the_sound():
    more = VoiceFeatures(torch.tensor([[60.0]]), np.array([6.0]), 1.0, 0.5, 6.5, True, silent=np.array([True]))
    whole = extended(series(last=False, silent=(True, False, False)), more)
    assert at(whole, 1.0, 5.0, 6.5, 7.0) == [10, 50, None, None]
    assert whole.silent.tolist() == [True, False, False, True]
    assert at(extended(None, more), 6.5) == [None] and extended(None, more).times.tolist() == [6.0]
