"""prosody_pitch and voice_lite: descriptors follow the voice, each its own, and a baseline of the voice so far."""

import math

import pytest
import torch

import avfer
from avfer.models.backbones.prosody_pitch import NAMES, RELATIVE, ProsodyPitch, follow
from avfer.models.backbones.voice_lite import VoiceLite
from avfer.signal.voice_frames import COLUMNS, EDGES, LEVELS, PERIODICITY, SEMITONES, voice_frames
from avfer.stages.embed_voice import EmbedVoice
from tests.stages.sounds import chunks, embed, noise, whole

TIME = torch.arange(16_000) / 16_000
HUM = 12 * math.log2(200 / 27.5)  # semitones


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


def frames(**columns: object) -> torch.Tensor:
    """Return 96 frames of a hum at 200 Hz with periodicity 0.95: (96, 82).

    semitones, periodicity: a number or one for each frame; levels: dB of each of the 16 bands, or (96, 16).
    """
    found = torch.zeros(96, COLUMNS)
    found[:, SEMITONES] = torch.as_tensor(columns.get("semitones", HUM))
    found[:, PERIODICITY] = torch.as_tensor(columns.get("periodicity", 0.95))
    found[:, LEVELS:] = torch.as_tensor(columns.get("levels", bands({150: -20.0})))
    return found


def bands(levels: dict[int, float]) -> torch.Tensor:
    """Return the levels of the bands that begin at some Hz, and -90 dB in the others: (16,)."""
    return torch.tensor([levels.get(low, -90.0) for low in EDGES[:-1]])


def numbers(**columns: object) -> dict[str, float]:
    return dict(zip(NAMES, ProsodyPitch().describe(frames(**columns)[None])[0].tolist(), strict=False))


def test_the_balance_of_the_spectrum_is_computed_from_the_power_of_bands():
    """Power 0.01 in 150 to 250 Hz and 10 ** -3.5 in 2600 to 3000 Hz, 15 dB less."""
    found = numbers(levels=bands({150: -20.0, 2600: -35.0}))
    for name in ("alpha_ratio", "hammarberg", "h1_a3"):
        assert found[name] == pytest.approx(15, abs=0.02), name
    power = 10**-3.5
    assert found["centroid"] == pytest.approx(math.log2((0.01 * 0.2 + power * 2.8) / (0.01 + power)), abs=0.01)
    assert found["level"] == pytest.approx(10 * math.log10(0.01 + power), abs=0.01)
    assert found["band_150_250"] == pytest.approx(-20 - found["level"], abs=0.01)


def test_slopes_are_those_of_the_density_over_the_frequency():
    """The density falls by 20 dB a kHz up to 500 Hz and by 5 dB a kHz above."""
    edges = torch.tensor(EDGES, dtype=torch.float32)
    centre, width = (edges[1:] + edges[:-1]) / 2000, edges.diff()
    density = torch.where(centre < 0.5, -20 * centre, -5 * centre) - 40
    found = numbers(levels=density + 10 * width.log10())
    assert (found["slope_low"], found["slope_middle"]) == (pytest.approx(-20, abs=0.01), pytest.approx(-5, abs=0.01))


def test_pitch_and_its_change_are_those_of_the_voiced_frames_without_octave_errors():
    """Pitch rises by 0.05 semitones a frame, 5 a second, from 30 to 34.75; every tenth frame is an octave off."""
    rising = 30 + 0.05 * torch.arange(96.0)
    rising[5::10] += 12
    found = numbers(semitones=rising)
    assert found["pitch"] == pytest.approx(32.4, abs=0.1) and found["pitch_high"] == pytest.approx(33.8, abs=0.1)
    assert found["pitch_range"] == pytest.approx(0.6 * 4.75, abs=0.15)
    assert found["pitch_change"] == pytest.approx(5, abs=0.01)
    assert found["voiced"] == pytest.approx(1, abs=0.01)


def test_steps_of_more_than_three_semitones_are_errors_of_pitch():
    jumping = torch.full((96,), 33.0)
    jumping[1::2] += 4
    assert numbers(semitones=jumping)["pitch_change"] == 0


def test_harmonicity_is_the_power_that_repeats_over_the_rest():
    assert numbers(periodicity=0.9)["harmonicity"] == pytest.approx(10 * math.log10(9), abs=0.01)


def test_few_voiced_frames_pull_the_pitch_to_that_of_speech():
    """Ten of the twenty voiced frames from which on pitch counts fully, at 45 semitones; 33 without any."""
    periodicity = torch.zeros(96)
    periodicity[40:50] = 0.95
    found = numbers(semitones=45.0, periodicity=periodicity)
    assert found["pitch"] == pytest.approx((45 + 33) / 2, abs=0.02)
    assert found["voiced"] == pytest.approx(10 / 96, abs=0.001)
    assert numbers(semitones=45.0, periodicity=0.0)["pitch"] == pytest.approx(33, abs=0.01)


def test_the_level_varies_over_the_active_frames():
    levels = bands({150: -20.0}).repeat(96, 1)
    levels[1::2, 1] -= 10
    found = numbers(levels=levels)
    assert found["level_range"] == pytest.approx(10, abs=0.01)
    assert found["level"] == pytest.approx(-25, abs=0.05) and found["level_variation"] == pytest.approx(5, abs=0.05)
    assert found["pace"] == pytest.approx(10, abs=0.05)


def test_six_peaks_of_the_level_are_a_rate_a_second_and_a_rhythm():
    """Six waves of 20 dB in 0.96 s."""
    waves = 10 * torch.cos(2 * math.pi * 6 * (torch.arange(96) - 8) / 96)
    levels = bands({150: -30.0}).repeat(96, 1)
    levels[:, 1] += waves
    found = numbers(levels=levels)
    assert found["rate"] == pytest.approx(6 / 0.96, abs=0.01)
    rhythms = {name: value for name, value in found.items() if name.startswith("rhythm")}
    assert max(rhythms, key=rhythms.__getitem__) == "rhythm_5_8"


def test_frames_30_db_below_the_loudest_do_not_count():
    levels = bands({150: -20.0}).repeat(96, 1)
    levels[:48, 1] -= 30
    assert numbers(levels=levels)["level"] == pytest.approx(-20, abs=1)


def descriptors(*rows: tuple[float, float, float]) -> torch.Tensor:
    """Return rows of descriptors that are 0 but for level, pitch and the voiced share: (N, 39)."""
    found = torch.zeros(len(rows), len(NAMES) - len(RELATIVE))
    found[:, [NAMES.index(name) for name in ("level", "pitch", "voiced")]] = torch.tensor(rows).float()
    return found


def test_a_difference_to_the_baseline_counts_by_the_seconds_before():
    """Baselines of level: 10 after the first second, then 15; s / (s + 2) is 1 / 3 and 2 / 4."""
    rows = descriptors((10, 40, 1), (20, 40, 1), (20, 36, 1))
    relative, state = follow(rows, torch.zeros(1 + len(RELATIVE)), hop=1.0)
    names = dict(zip(RELATIVE, relative.T.tolist(), strict=True))
    assert names["level"] == pytest.approx([0, 10 / 3, 5 / 2]) and names["pitch"] == pytest.approx([0, 0, -4 / 2])
    assert state.tolist() == pytest.approx([3, 50 / 3, 116 / 3, 0, 0, 0])


def test_patches_without_voice_do_not_change_the_baseline():
    rows = descriptors((10, 40, 1), (50, 90, 0), (20, 40, 0.5))
    relative, state = follow(rows, torch.zeros(1 + len(RELATIVE)), hop=1.0)
    assert relative[2, 0].item() == pytest.approx(10 / 3)
    assert state[:2].tolist() == pytest.approx([1.5, 10 + 10 * 0.5 / 1.5])


def test_the_baseline_spans_a_minute_of_voice():
    state = torch.tensor([60.0, 10, 0, 0, 0, 0])
    _, after = follow(descriptors((20, 0, 1)), state, hop=2.0)
    assert after[:2].tolist() == pytest.approx([60, 10 + 10 * 2 / 60])


def test_voice_lite_puts_arousal_and_valence_before_the_descriptors():
    network, patches = VoiceLite(), frames()[None, None]
    torch.nn.init.zeros_(network.affect.weight)
    network.affect.bias.data = torch.tensor([0.5, -2.0])
    found = network.features(patches)[0]
    assert found[:2].tolist() == pytest.approx([math.tanh(0.5), math.tanh(-2)])
    torch.testing.assert_close(found[2:], network.prosody.features(patches)[0])


def test_voice_lite_reads_descriptors_up_to_four_standard_deviations():
    network, patches = VoiceLite(), frames()[None, None]  # a level of -20 is -20 standard deviations before training
    torch.nn.init.zeros_(network.affect.weight)
    torch.nn.init.zeros_(network.affect.bias)
    network.affect.weight.data[0, NAMES.index("level")] = 0.1
    assert network.features(patches)[0, 0].item() == pytest.approx(math.tanh(-0.4))


def test_the_timbre_of_voice_lite_reads_the_log_mel_bands():
    network = VoiceLite(timbre=True).eval()
    patches = torch.randn(1, 1, 96, COLUMNS, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = network.features(patches)[0, 2 + len(NAMES) :]
        torch.testing.assert_close(found, network.timbre.features(patches[..., :64])[0])


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
