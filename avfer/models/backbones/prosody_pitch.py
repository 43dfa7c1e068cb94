"""prosody_pitch: pitch, loudness, timbre and rhythm of a voice, computed without training."""

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from avfer.models.backbones.prosody import RHYTHMS, rhythm
from avfer.models.card import Card
from avfer.models.network import VoiceNetwork
from avfer.signal.log_mel import SoundFrames
from avfer.signal.voice_frames import EDGES, LEVELS, NUM_LEVELS, PERIODICITY, REFERENCE, SEMITONES, VOICE_FRAMES

FRAMES = 100  # a second
LOUD_RANK, LOUD_RANGE = 91, 22.0  # a frame is active down to 22 dB below the rank 91 of the 96 frames by level
VOICED = 0.65  # periodicity above which a frame is voiced
WIDEST = 8.0  # semitones from the median of the patch; farther frames are octave errors
LARGEST_STEP = 3.0  # semitones from frame to frame; larger ones are errors
SPEECH_PITCH = 33.0  # semitones (185 Hz): the pitch that a patch without voiced frames is given
FULL_VOICE = 20.0  # voiced frames from which on pitch counts fully
ENERGY_FLOOR = 1.0  # dB², is added to the energy of the rhythm
MEMORY, PRIOR = 60.0, 2.0  # seconds of voice that the running baseline spans, and after which it counts half

DESCRIPTORS = (
    "level",  # dB below full scale, mean of the active frames (GeMAPS: loudness)
    "level_range",  # dB, 80th minus 20th percentile (GeMAPS: range of loudness)
    "level_variation",  # dB, standard deviation over the active frames (GeMAPS: variation of loudness)
    "pitch",  # semitones above 27.5 Hz, median of the voiced frames (GeMAPS: 50th percentile of F0)
    "pitch_high",  # semitones, 80th percentile (GeMAPS)
    "pitch_range",  # semitones, 80th minus 20th percentile (GeMAPS)
    "pitch_change",  # semitones a second, mean of the absolute slope (GeMAPS: slopes of rising and falling F0)
    "voiced",  # share of active frames that are voiced, in [0, 1] (GeMAPS: voiced segments)
    "harmonicity",  # dB, harmonics to noise from the periodicity (GeMAPS: HNR)
    "alpha_ratio",  # dB, level in 50 to 1000 Hz minus level in 1 to 4 kHz (GeMAPS, to 5 kHz there)
    "hammarberg",  # dB, strongest band below 2 kHz minus strongest band from 2 to 4 kHz (GeMAPS, to 5 kHz there)
    "slope_low",  # dB per kHz from 50 to 500 Hz (GeMAPS: spectral slope 0 to 500 Hz)
    "slope_middle",  # dB per kHz from 500 to 1500 Hz (GeMAPS)
    "h1_a3",  # dB, level at the pitch minus the strongest band from 2.3 to 3.4 kHz (GeMAPS: harmonic difference H1-A3)
    "centroid",  # octaves above 1 kHz, centre of the power up to 4 kHz
    "spectrum_variation",  # dB, standard deviation over time of the levels of bands minus `level`, mean of the bands
    "flux",  # dB, mean absolute change of the spectrum from frame to frame (eGeMAPS: spectral flux)
    "pace",  # dB, mean absolute change of the level from frame to frame
    "rate",  # peaks of the level a second, about syllables (GeMAPS: rate of loudness peaks)
    *(f"rhythm_{low}_{high}" for low, high in RHYTHMS),  # log energy of changes of the level, in Hz
)
PROFILE = tuple(f"band_{low}_{high}" for low, high in pairwise(EDGES))  # dB, minus `level`
RELATIVE = ("level", "pitch", "alpha_ratio", "flux", "pitch_range")  # also minus their running baseline
NAMES = (*DESCRIPTORS, *PROFILE, *(f"{name}_relative" for name in RELATIVE))


SOURCES = [
    "Eyben et al. 2016, The Geneva Minimalistic Acoustic Parameter Set (GeMAPS), IEEE Trans. Affective Computing 7(2)",
    "Talkin 1995, A robust algorithm for pitch tracking (RAPT), in: Speech Coding and Synthesis",
    "Boersma 1993, Accurate short-term analysis of the fundamental frequency, IFA Proceedings 17",
]


class ProsodyPitch(VoiceNetwork):
    """Pitch, loudness, timbre and rhythm of patches of voice frames, and their change against the voice so far.

    `centre` and `scale` bring each number to about mean 0 and spread 1 on speech.
    """

    frames: ClassVar[SoundFrames] = VOICE_FRAMES
    centre: Tensor  # (D,), mean on speech
    scale: Tensor  # (D,), spread on speech

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(len(NAMES)))
        self.register_buffer("scale", torch.ones(len(NAMES)))

    @classmethod
    def card(cls) -> Card:
        """Return the card; there are no options."""
        return Card(
            name="prosody_pitch",
            task="pitch, loudness, timbre and rhythm of a voice",
            description="Descriptors of how something is said, of windows of 0.96 s: pitch in semitones above 27.5 Hz,"
            " its range and change, voicing, level, spectral balance up to 4 kHz, rate of syllables and rhythm; and"
            " pitch, its range, level, alpha ratio and flux relative to their mean over the voice so far. No band above"
            " 4 kHz is read, so that telephone sound is described alike. It contains no network; only the mean and"
            " standard deviation that standardize each descriptor are estimated from data. Descriptors in order: "
            + ", ".join(NAMES),
            features=len(NAMES),
            layout="specific to avfer",
            sources=SOURCES,
        )

    def start_voice(self) -> Tensor:
        """Return the state before the first patch, (6,): seconds of voice, then a mean for each name of RELATIVE."""
        return torch.zeros(1 + len(RELATIVE), device=self.centre.device)

    def step_voice(self, patches: Tensor, state: Tensor, hop: float) -> tuple[Tensor, Tensor]:
        """patches: (N, 1, 96, 82), one every `hop` s, state: (6,) -> scaled descriptors (N, 44), state."""
        described = self.describe(patches[:, 0])
        relative, state = follow(described, state, hop)
        return (torch.cat([described, relative], 1) - self.centre) / self.scale, state

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 82) -> scaled descriptors (N, 44) of patches that follow one another."""
        return self.step_voice(patches, self.start_voice(), 0.2)[0]

    def forward(self, patches: Tensor) -> Tensor:
        """Same as `features`: (N, 1, 96, 82) -> (N, 44)."""
        return self.features(patches)

    def describe(self, frames: Tensor) -> Tensor:
        """frames: (N, 96, 82) -> descriptors (N, 39) without the relative ones, not scaled."""
        levels = frames[..., LEVELS:]
        power = 10 ** (levels / 10)
        level = 10 * power.sum(2).log10()
        loudest = level.sort(1).values[:, LOUD_RANK, None]
        active = (loudest - LOUD_RANGE - level).neg().div(2).sigmoid()
        shape = (levels - level[..., None]).clamp(min=-50)
        profile = _mean(shape, active)
        variation = _mean((shape - profile[:, None]).square(), active).sqrt().mean(1)
        semitones, periodicity = frames[..., SEMITONES], frames[..., PERIODICITY]
        pitch, voiced = _pitch(semitones, periodicity, active)
        low, high = _quantiles(level, active, (0.2, 0.8)).unbind(1)
        mean_level = _mean(level[..., None], active)[:, 0]
        spread = _mean((level - mean_level[:, None]).square()[..., None], active)[:, 0].sqrt()
        smooth = torch.nn.functional.avg_pool1d(level.clamp(min=loudest - 40)[:, None], 7, 1, 3, False, False)[:, 0]
        return torch.cat(
            [
                torch.stack([mean_level, high - low, spread], 1),
                pitch,
                voiced,
                _balance(power, active),
                _harmonics(levels, semitones, periodicity, active),
                torch.stack([_centroid(power, active), variation], 1),
                torch.stack([_change(shape, active), _pace(level, active), _rate(smooth)], 1),
                rhythm(level.clamp(min=loudest - 40), ENERGY_FLOOR),
                profile,
            ],
            1,
        )


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return weighted means over time: (N, T, K), (N, T) -> (N, K)."""
    return (values * weights[..., None]).sum(1) / weights.sum(1, keepdim=True).clamp(min=1e-6)


def _quantiles(values: Tensor, weights: Tensor, shares: tuple[float, ...]) -> Tensor:
    """Return weighted quantiles over time: (N, T), (N, T) -> (N, len(shares))."""
    ordered, index = values.sort(1)
    reached = weights.gather(1, index).cumsum(1)
    goals = reached[:, -1:] * torch.tensor(shares, dtype=values.dtype, device=values.device)
    places = torch.searchsorted(reached.contiguous(), goals.contiguous()).clamp(max=values.shape[1] - 1)
    return ordered.gather(1, places)


def _pitch(semitones: Tensor, periodicity: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Return pitch, pitch_high, pitch_range, pitch_change, (N, 4), and voiced, harmonicity, (N, 2), from (N, T)."""
    voiced = _voiced(periodicity, active)
    median = _quantiles(semitones, voiced, (0.5,))
    near = voiced * ((semitones - median).abs() < WIDEST)
    low, middle, high = _quantiles(semitones, near, (0.2, 0.5, 0.8)).unbind(1)
    step = semitones.diff(dim=1).abs()
    both = torch.minimum(near[:, 1:], near[:, :-1]) * (step < LARGEST_STEP)
    change = FRAMES * (step * both).sum(1) / both.sum(1).clamp(min=1)
    certain = (voiced.sum(1) / FULL_VOICE).clamp(max=1)
    share = voiced.sum(1) / active.sum(1).clamp(min=1e-6)
    kept = periodicity.clamp(0.05, 0.995)
    harmonicity = _mean((10 * (kept / (1 - kept)).log10())[..., None], active)[:, 0]
    pitch = [SPEECH_PITCH + certain * (middle - SPEECH_PITCH), SPEECH_PITCH + certain * (high - SPEECH_PITCH)]
    return torch.stack([*pitch, certain * (high - low), certain * change], 1), torch.stack([share, harmonicity], 1)


def _balance(power: Tensor, active: Tensor) -> Tensor:
    """Return alpha_ratio, hammarberg, slope_low and slope_middle, (N, 4), from the power of bands, (N, T, B)."""
    edges = torch.tensor(EDGES, dtype=power.dtype, device=power.device)
    decibels = 10 * power.log10()
    density = decibels - 10 * edges.diff().log10()
    centre = (edges[:-1] + edges[1:]) / 2000
    one, two = (EDGES.index(hertz) for hertz in (1000, 2000))
    alpha = 10 * (power[..., :one].sum(2) / power[..., one:].sum(2)).log10()
    hammarberg = decibels[..., :two].amax(2) - decibels[..., two:].amax(2)
    slopes = [_slope(density[..., a:b], centre[a:b]) for a, b in ((0, 4), (4, EDGES.index(1500)))]
    return _mean(torch.stack([alpha, hammarberg, *slopes], 2), active)


def _harmonics(levels: Tensor, semitones: Tensor, periodicity: Tensor, active: Tensor) -> Tensor:
    """Return h1_a3, (N, 1), from the levels of bands, (N, T, B), and three times (N, T)."""
    hertz = REFERENCE * 2 ** (semitones / 12)
    edges = torch.tensor(EDGES, dtype=levels.dtype, device=levels.device)
    band = (torch.searchsorted(edges, hertz.contiguous(), right=True) - 1).clamp(0, NUM_LEVELS - 1)
    first = levels.gather(2, band[..., None])[..., 0]
    third = levels[..., EDGES.index(2300) : EDGES.index(3400)].amax(2)
    voiced = _voiced(periodicity, active)
    return _mean((first - third)[..., None], voiced) * (voiced.sum(1, keepdim=True) / FULL_VOICE).clamp(max=1)


def _centroid(power: Tensor, active: Tensor) -> Tensor:
    """Return the centre of the power in octaves above 1 kHz: (N, T, B), (N, T) -> (N,)."""
    edges = torch.tensor(EDGES, dtype=power.dtype, device=power.device)
    centre = (power @ ((edges[:-1] + edges[1:]) / 2000)) / power.sum(2)
    return _mean(centre.log2()[..., None], active)[:, 0]


def _voiced(periodicity: Tensor, active: Tensor) -> Tensor:
    """Return how far frames are active and voiced: (N, T), (N, T) -> (N, T) in [0, 1]."""
    return ((periodicity - VOICED) / 0.04).sigmoid() * active


def _slope(values: Tensor, places: Tensor) -> Tensor:
    """Return slopes of regression lines: (N, T, K), (K,) -> (N, T)."""
    steady = places - places.mean()
    return (values * steady).sum(2) / steady.square().sum()


def _change(shape: Tensor, active: Tensor) -> Tensor:
    """Return the mean absolute change of the spectrum: (N, T, B), (N, T) -> (N,)."""
    both = torch.minimum(active[:, 1:], active[:, :-1])
    return _mean(shape.clamp(min=-40).diff(dim=1).abs().mean(2, keepdim=True), both)[:, 0]


def _pace(level: Tensor, active: Tensor) -> Tensor:
    """Return the mean absolute change of the level: (N, T), (N, T) -> (N,)."""
    both = torch.minimum(active[:, 1:], active[:, :-1])
    return _mean(level.diff(dim=1).abs()[..., None], both)[:, 0]


def _rate(smooth: Tensor) -> Tensor:
    """Return the peaks a second of a smooth level that exceed their surroundings: (N, T) -> (N,)."""
    widest = torch.nn.functional.max_pool1d(smooth[:, None], 13, 1, 6)[:, 0]
    lowest = -torch.nn.functional.max_pool1d(-smooth[:, None], 21, 1, 10)[:, 0]
    loud = smooth > smooth.amax(1, keepdim=True) - 15
    height = ((smooth - lowest - 2) / 2).clamp(0, 1)  # between 2 and 4 dB a peak begins to count
    return ((smooth == widest) & loud).to(smooth.dtype).mul(height).sum(1) * (FRAMES / smooth.shape[1])


def follow(described: Tensor, state: Tensor, hop: float) -> tuple[Tensor, Tensor]:
    """Return the descriptors of RELATIVE minus their mean over the voice before each patch, and the next state.

    described: (N, 39), one row every `hop` s; state: (6,), see `start_voice`. A difference is multiplied by
    s / (s + 2), with s seconds of voice before the patch, and is 0 at the first patch. Voiced patches count; with more
    than 60 s of voice, the mean forgets.
    """
    index = [DESCRIPTORS.index(name) for name in RELATIVE]
    rows, certain = described[:, index], described[:, DESCRIPTORS.index("voiced")].clamp(0, 1)
    seconds, mean = state[0], state[1:]
    relative: list[Tensor] = []
    for row, share in zip(rows, certain, strict=True):
        relative.append((row - mean) * seconds / (seconds + PRIOR))
        seconds = (seconds + share * hop).clamp(max=MEMORY)
        mean = mean + (row - mean) * (share * hop / seconds.clamp(min=1e-6)).clamp(max=1)
    state = torch.cat([seconds[None], mean])
    return torch.stack(relative) if relative else rows, state
