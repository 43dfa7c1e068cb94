"""The voice network and affect model in the wheel, from sound to arousal."""

import csv
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from avfer.affect_track import AffectTrack
from avfer.stages.detect_speech import DetectSpeech
from avfer.stages.embed_voice import EmbedVoice
from avfer.stages.join import SampleVoice
from avfer.stages.mask_voice import MaskVoice
from avfer.stages.predict import PredictAffect
from avfer.types import AudioBatch

RAVDESS = Path(__file__).parents[2] / "../shared/data/speech/ravdess"


@pytest.fixture(scope="module")
def stages():
    embed, predict = EmbedVoice(), PredictAffect()
    embed.load(torch.device("cpu"))
    predict.load(torch.device("cpu"))
    return embed, SampleVoice(), predict


def affect_of(wave: torch.Tensor, stages: tuple[EmbedVoice, SampleVoice, PredictAffect]) -> AffectTrack:
    """Return the affect of a sound at 25 ticks a second.   wave: (S,) 16 kHz"""
    value = AudioBatch(wave[None], 16_000, 0.0, 0, last=True, clip_stop=len(wave) / 16_000)
    for stage in stages:
        _, value = stage.step(stage.start(), value)
    return value


def test_digital_silence_has_no_affect_and_the_reason_no_audio(stages):
    track = affect_of(torch.zeros(2 * 16_000), stages)
    assert not track.has_voice.any()
    table = track.to_table()
    assert table["reason"].to_pylist() == ["no_audio"] * 50
    for name in ("valence", "arousal", "expression", "p_neutral"):
        assert table[name].null_count == 50, name


def test_only_the_silent_part_of_a_sound_has_no_affect(stages):
    wave = torch.randn(2 * 16_000, generator=torch.Generator().manual_seed(1)) * 0.1
    track = affect_of(torch.cat([wave, torch.zeros(48_000), wave]), stages)
    np.testing.assert_array_equal(np.isnan(track.valence), ~track.has_voice)
    silent = track.clock.times[~track.has_voice]
    assert silent.min() == pytest.approx(2.5, abs=0.25) and silent.max() == pytest.approx(4.5, abs=0.25)


def test_a_minute_of_a_quiet_room_is_neutral_and_calm(stages):
    track = affect_of(torch.randn(60 * 16_000, generator=torch.Generator().manual_seed(4)) * 3e-4, stages)
    assert len(track) == 60 * 25 and track.has_voice.all()
    assert np.abs(track.valence[25:]).max() < 0.15
    assert np.abs(track.arousal[25:]).max() < 0.15
    assert (track.expressions.argmax(1) == track.classes.index("neutral")).all()


@pytest.mark.parametrize("level", [3e-4, 0.2])
def test_noise_without_speech_has_no_affect_and_the_reason_no_speech(stages, level):
    embed, sample, predict = stages
    detect = DetectSpeech()
    detect.load(torch.device("cpu"))
    wave = torch.randn(3 * 16_000, generator=torch.Generator().manual_seed(4)) * level
    sound = AudioBatch(wave[None], 16_000, 0.0, 0, last=True, clip_stop=3.0)
    (_, voice), (_, speech) = embed.step(embed.start(), sound), detect.step(detect.start(), sound)
    _, ticks = sample.step(sample.start(), voice)
    mask = MaskVoice()
    _, rows = mask.step(mask.start(), ticks, speech)
    table = predict.step(predict.start(), rows)[1].to_table()
    assert table["reason"].to_pylist() == ["no_speech"] * 75
    assert table["speech"].null_count == 0 and max(table["speech"].to_pylist()) < 0.2
    assert table["valence"].null_count == table["arousal"].null_count == table["expression"].null_count == 75


def test_silence_after_a_sound_changes_no_earlier_row(stages):
    wave = torch.randn(5 * 16_000, generator=torch.Generator().manual_seed(1)) * 0.1
    first, longer = affect_of(wave, stages), affect_of(torch.cat([wave, torch.zeros(32_000)]), stages)
    np.testing.assert_array_equal(first.arousal[:100], longer.arousal[:100])


@pytest.mark.slow
@pytest.mark.skipif(not RAVDESS.is_dir(), reason="the speech corpus is not at hand")
@pytest.mark.parametrize("strong", [False, True])
def test_angry_speakers_are_more_aroused_than_sad_ones(stages, strong):
    levels: dict[tuple[str, str], list[float]] = {}
    with (RAVDESS / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test" and row["emotion"] in ("angry", "sad")]
    for row in rows:
        if (row["intensity"] == "strong") == strong:
            with av.open(str(RAVDESS / row["file"])) as media:
                samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in media.decode(audio=0)])
            track = affect_of(torch.from_numpy(samples.astype(np.float32) / 32768), stages)
            third = len(track) // 3  # a second of silence at both ends
            levels.setdefault((row["speaker"], row["emotion"]), []).append(float(track.arousal[third:-third].mean()))
    speakers = sorted({speaker for speaker, _ in levels})
    pairs = [a > s for who in speakers for a, s in product(levels[who, "angry"], levels[who, "sad"])]
    assert len(pairs) == 64
    assert np.mean(pairs) >= 0.9
