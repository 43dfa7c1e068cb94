"""The time of each sample of a sound, also after silence that was left out."""

import numpy as np
import pytest
import torch

from avfer.errors import ConfigError
from avfer.stages.sample_times import SampleTimes
from avfer.types import AudioBatch

RATE = 100  # Hz


def received(*starts: float, first: int = 0) -> SampleTimes:
    """Return the times of parts of one second each that begin at these seconds."""
    times = SampleTimes(RATE)
    for number, start in enumerate(starts):
        times = times.add(
            AudioBatch(torch.zeros(1, RATE), RATE, start, first + number * RATE, last=False), "embed_voice"
        )
    return times


def test_samples_follow_the_start_of_the_sound_at_its_rate() -> None:
    times = received(-0.5, 0.5)
    assert times.of(np.array([0, 50, 199])).tolist() == [-0.5, 0.0, 1.49]
    assert (times.start, times.stop) == (-0.5, 1.5)


def test_samples_after_silence_that_was_left_out_are_later_by_it() -> None:
    times = received(2.0, 63.0, 64.0, 70.0)  # 60 s are missing after the first part, 5 s after the third
    assert times.of(np.array([0, 99, 100, 299, 300])).tolist() == pytest.approx([2.0, 2.99, 63.0, 64.99, 70.0])
    assert times.stop == pytest.approx(71.0)


@pytest.mark.parametrize("difference", [-0.2, 0.4])
def test_inexact_starts_of_parts_leave_the_times_as_they_are(difference: float) -> None:
    times = received(2.0, 3.0 + difference)
    assert times.of(np.array([100, 150])).tolist() == [3.0, 3.5] and times.stop == 4.0


def test_before_the_first_sample_no_time_is_known() -> None:
    times = SampleTimes(RATE).add(AudioBatch(torch.zeros(1, 0), RATE, 7.0, 0, last=False), "embed_voice")
    assert times.count == 0 and np.isnan(times.start) and np.isnan(times.stop)


@pytest.mark.parametrize(("channels", "rate"), [(2, RATE), (1, 2 * RATE)])
def test_sound_of_another_form_is_refused_with_the_options_that_convert_it(channels: int, rate: int) -> None:
    sound = AudioBatch(torch.zeros(channels, 50), rate, 0.0, 0, last=False)
    with pytest.raises(ConfigError, match=r"embed_voice: .* mono at 100 Hz.* set sample_rate: 100"):
        SampleTimes(RATE).add(sound, "embed_voice")


def test_missing_samples_raise_an_error() -> None:
    with pytest.raises(ValueError, match="embed_voice: samples 0 to 30 are missing"):
        received(0.0, first=30)
