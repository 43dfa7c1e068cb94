"""prosody_pitch and voice_lite: descriptors follow the voice, each its own, and a baseline of the voice so far."""

import math

import pytest
import torch

import avfer
from avfer.models.backbones.prosody_pitch import NAMES, RELATIVE, ProsodyPitch, follow
from avfer.models.backbones.voice_lite import VoiceLite
from avfer.signal.voice_frames import voice_frames
from avfer.stages.embed_voice import EmbedVoice
from tests.stages.sounds import chunks, embed, noise, whole

TIME = torch.arange(16_000) / 16_000


def voice(hertz: float = 150.0, level: float = 0.0, syllables: float = 4.0, wobble: float = 0.0) -> torch.Tensor:
    """A second of a voice: pitch with a wobble in semitones, level in dB, syllables a second: (16000,)."""
    pitch = hertz * 2 ** (wobble * torch.sin(2 * math.pi * 2 * TIME) / 12)
    phase = 2 * math.pi * torch.cumsum(pitch, 0) / 16_000
    envelope = 0.1 + torch.sin(math.pi * syllables * TIME).square()
    tone = sum((torch.sin(k * phase) / k for k in range(1, 11)), 0 * TIME)
    breath = 0.1 * torch.randn(len(TIME), generator=torch.Generator().manual_seed(0))
    return 0.05 * 10 ** (level / 20) * envelope * (tone + breath)


def described(wave: torch.Tensor) -> dict[str, float]:
    frames = voice_frames(wave)[None, :96]
    return dict(zip(NAMES, ProsodyPitch().describe(frames)[0].tolist(), strict=False))


def test_pitch_is_in_semitones_above_27_5_hz():
    low, high = described(voice(110)), described(voice(220))
    assert low["pitch"] == pytest.approx(24, abs=0.2)
    assert high["pitch"] - low["pitch"] == pytest.approx(12, abs=0.2)
    assert described(voice(150, wobble=3))["pitch_range"] > 3 > 1 > described(voice(150))["pitch_range"]
    assert described(voice(150, wobble=3))["pitch_change"] > 5 * described(voice(150))["pitch_change"]


def test_gain_moves_the_level_alone():
    quiet, loud = described(voice(level=-10)), described(voice(level=6))
    assert loud["level"] - quiet["level"] == pytest.approx(16, abs=0.1)
    assert {name for name in loud if abs(loud[name] - quiet[name]) > 0.6} == {"level"}


def test_faster_speech_has_a_higher_rate_of_syllables():
    assert described(voice(syllables=3))["rate"] == pytest.approx(3, abs=1)
    assert described(voice(syllables=7))["rate"] == pytest.approx(7, abs=1)


def test_the_first_rows_have_no_baseline_and_later_ones_are_relative_to_it():
    rows = torch.stack([ProsodyPitch().describe(voice_frames(voice(level=g))[None, :96])[0] for g in (0, 0, 0, 12)])
    relative, state = follow(rows, torch.zeros(1 + len(RELATIVE)), hop=5.0)
    assert not relative[0].any()
    assert relative[1:3].abs().max() < 0.01
    assert 5 < relative[3, RELATIVE.index("level")] < 12
    again, _ = follow(rows[2:], follow(rows[:2], torch.zeros(1 + len(RELATIVE)), 5.0)[1], hop=5.0)
    assert torch.equal(again, relative[2:])
    assert state[0] > 10  # seconds of voice


@pytest.mark.parametrize("name", ["prosody_pitch", "voice_lite"])
@pytest.mark.parametrize("cuts", [[7], [16_000 * n // 3 for n in range(1, 12)]])
def test_chunks_change_no_value(name, cuts):
    stage = EmbedVoice(name)
    stage.load(torch.device("cpu"))
    wave = noise(3.1)
    for found, wanted in zip(
        whole(embed(stage, chunks(wave, cuts))), whole(embed(stage, chunks(wave, []))), strict=True
    ):
        assert (found == wanted).all()


def test_silence_gives_finite_numbers():
    assert ProsodyPitch().features(voice_frames(torch.zeros(16_000))[None, None, :96]).isfinite().all()
    assert ProsodyPitch().features(torch.zeros(2, 1, 96, 82)).isfinite().all()


def test_a_louder_and_brighter_voice_reads_as_more_aroused():
    network = avfer.create("voice_lite", weights="builtin")
    assert isinstance(network, VoiceLite)
    soft = voice(130, level=-15)
    harsh = (voice(220, wobble=2) * 8).tanh() * 0.7
    calm, aroused = (network.features(voice_frames(w)[None, None, :96])[0, 0].item() for w in (soft, harsh))
    assert -1 < calm < aroused < 1 and aroused - calm > 0.2
