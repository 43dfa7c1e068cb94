"""detect_speech: probabilities of the published detector, their times, silence, and the chunk law."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError
from avfer.models.detectors.silero_vad import SileroVad, weight_path
from avfer.stages.decode_audio import DecodeAudio
from avfer.stages.detect_speech import DetectSpeech
from avfer.types import AudioBatch, Clip, Span, SpeechProbabilities
from tests.stages.sounds import RATE, chunks, noise

SENTENCE = Path(__file__).parents[2] / "../shared/data/clips/grid_bbaf2n.mpg"


@pytest.fixture(scope="module")
def stage() -> DetectSpeech:
    stage = DetectSpeech()
    stage.load(torch.device("cpu"))
    return stage


@pytest.fixture(scope="module")
def sentence() -> torch.Tensor:
    """Three seconds of sound with a sentence from 1.0 to 2.1 s."""
    if not SENTENCE.exists():
        pytest.skip("the clips are not at hand")
    decode = DecodeAudio()
    return decode.step(decode.start(), Span(Clip(SENTENCE), 0, 1e9))[1].samples[0]


class Peak(torch.nn.Module):
    """A detector whose probability is the largest absolute sample of the window."""

    window, context = 512, 64

    def start(self) -> torch.Tensor:
        return torch.zeros(1)

    def forward(self, windows: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return windows[:, self.context :].abs().amax(1), state


@pytest.fixture(scope="module")
def peaks() -> DetectSpeech:
    stage = DetectSpeech("tests.stages.test_detect_speech:Peak")
    stage.load(torch.device("cpu"))
    return stage


def detect(stage: DetectSpeech, sounds: list[AudioBatch]) -> list[SpeechProbabilities]:
    state, outputs = stage.start(), list[SpeechProbabilities]()
    for sound in sounds:
        state, speech = stage.step(state, sound)
        outputs.append(speech)
    return outputs


def whole(parts: list[SpeechProbabilities]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [part.rows for part in parts]
    values = torch.cat([part.values for part in rows])[:, 0].numpy()
    return values, np.concatenate([part.times for part in rows]), np.concatenate([part.silent for part in rows])


@settings(max_examples=10)
@given(st.lists(st.integers(0, 3 * RATE), max_size=12))
def test_chunks_change_no_value(stage, cuts):
    wave = torch.cat([noise(1.6), torch.zeros(22_000), noise(0.3)])
    for found, wanted in zip(
        whole(detect(stage, chunks(wave, cuts))), whole(detect(stage, chunks(wave, []))), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_the_network_equals_the_published_one(sentence):
    with pytest.warns(DeprecationWarning, match="torch.jit.load"):
        published = torch.jit.load(weight_path())
    network, wave = SileroVad(), torch.nn.functional.pad(sentence, (64, 0))
    found, _ = network(wave.unfold(0, 576, 512), network.start())
    with torch.no_grad():
        wanted = torch.cat([published(part, RATE)[0] for part in sentence.split(512) if len(part) == 512])
    assert len(found) == len(wanted) and wanted.max() > 0.99
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_speech_is_found_where_the_sentence_is(stage, sentence):
    values, times, silent = whole(detect(stage, chunks(sentence, [])))
    speech = times[values > 0.5]
    assert speech.min() == pytest.approx(1.0, abs=0.1) and speech.max() == pytest.approx(2.1, abs=0.1)
    assert not silent.any() and values[(times > 1.2) & (times < 1.9)].min() > 0.9


@pytest.mark.parametrize("level", [3e-4, 0.3])
def test_noise_is_no_speech(stage, level):
    wave = torch.randn(4 * RATE, generator=torch.Generator().manual_seed(2)) * level
    values, _, silent = whole(detect(stage, chunks(wave, [])))
    assert values.max() < 0.2 and not silent.any()


def test_notes_are_no_speech(stage):
    time = torch.arange(RATE // 2) / RATE
    notes = [torch.sin(2 * torch.pi * f * time) * torch.exp(-3 * time) * 0.3 for f in (220, 262, 330, 392, 440, 349)]
    values, _, _ = whole(detect(stage, chunks(torch.cat(notes), [])))
    assert values.max() < 0.5


def test_only_the_inside_of_digital_silence_is_silent(stage):
    values, times, silent = whole(detect(stage, chunks(torch.cat([noise(2.0), torch.zeros(3 * RATE), noise(1.0)]), [])))
    inside = times[silent]
    assert inside.min() == pytest.approx(2.5, abs=0.05) and inside.max() == pytest.approx(4.5, abs=0.05)
    assert values[silent].max() < 0.1


@pytest.mark.parametrize("sample", [10 * 512, 11 * 512 - 1])
def test_a_probability_is_the_mean_of_eleven_windows_of_any_detector(peaks, sample):
    wave = torch.zeros(40 * 512)
    wave[sample] = -1.0  # in window 10
    values, _, _ = whole(detect(peaks, chunks(wave, [])))
    np.testing.assert_allclose(values, [0] * 5 + [1 / 11] * 11 + [0] * 24, atol=1e-7)


def test_at_both_ends_of_the_sound_a_probability_is_the_mean_of_the_windows_that_exist(peaks):
    wave = torch.zeros(40 * 512)
    wave[0] = wave[-1] = 1.0
    values, _, _ = whole(detect(peaks, chunks(wave, [])))
    edge = [1 / windows for windows in (6, 7, 8, 9, 10, 11)]
    np.testing.assert_allclose(values, edge + [0] * 28 + edge[::-1], atol=1e-7)


@pytest.mark.parametrize("cuts", [[], [64 * 512]])
def test_a_row_is_silent_if_the_16_windows_on_each_side_are(peaks, cuts):
    wave = torch.zeros(100 * 512)
    wave[40 * 512 - 1] = 0.5  # the last sample of window 39, which window 40 reads as its context
    _, _, silent = whole(detect(peaks, chunks(wave, cuts)))
    assert np.flatnonzero(~silent).tolist() == list(range(39 - 16, 39 + 17))


@pytest.mark.parametrize(("level", "expected"), [(-9e-5, True), (9e-5, True), (-2e-4, False), (2e-4, False)])
def test_silence_is_any_sound_below_80_db_of_full_scale(peaks, level, expected):
    _, _, silent = whole(detect(peaks, chunks(torch.full((40 * 512,), level), [])))
    assert (silent == expected).all()


def test_a_detector_that_lacks_a_member_is_an_error():
    with pytest.raises(ConfigError, match="detector: "):
        DetectSpeech("torch.nn:ReLU")


@pytest.mark.parametrize("start", [0.0, -0.25, 12.5])
def test_times_are_the_centres_of_windows_of_32_ms(stage, start):
    parts = detect(stage, chunks(noise(1.0), [9000], start))
    np.testing.assert_allclose(whole(parts)[1], start + 0.016 + 0.032 * np.arange(32), atol=1e-9)
    assert parts[-1].rows.last and parts[-1].rows.stop == pytest.approx(start + 1.0)
    assert {part.rows.window for part in parts} == {0.032}


def test_a_clip_without_sound_has_no_row(stage):
    (part,) = detect(stage, [AudioBatch(torch.zeros(1, 0), RATE, 0.0, 0, last=True, clip_stop=2.0)])
    assert len(part.rows.times) == 0 and part.rows.last


def test_sound_of_another_rate_is_an_error_with_the_way_out(stage):
    with pytest.raises(ConfigError, match=r"detect_speech: the sound must be mono at 16000 Hz.*set sample_rate"):
        stage.step(stage.start(), AudioBatch(torch.zeros(1, 10), 8000, 0.0, 0, last=True))
