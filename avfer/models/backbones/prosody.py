"""prosody: loudness, timbre and rhythm of a voice, computed without training.

Descriptors in the spirit of GeMAPS (Eyben et al., IEEE Trans. Affective Computing 7, 2016) without pitch, which the
bands of a log-mel patch do not resolve. Their choice is our own.
"""

import torch
from torch import Tensor

from avfer.models.card import Card
from avfer.models.network import VoiceNetwork

RANKS = (9, 48, 76, 91)  # of the 96 frames by loudness: their quantiles 0.1, 0.5, 0.8, 0.95
TIMBRE = 16  # groups of four bands
RHYTHMS = ((1, 3), (3, 5), (5, 8), (8, 14))  # cycles a patch, about Hz: phrases, syllables, and faster
FLOOR = 1e-3  # keeps the logarithm of a steady sound finite
WIDTH = len(RANKS) + TIMBRE + 2 + len(RHYTHMS)


class Prosody(VoiceNetwork):
    """Loudness, timbre and rhythm of a log-mel patch.

    Loudness is described by quantiles over the frames and the timbre by the loud frames, so that pauses have little
    influence. `centre` and `scale` bring each number to about mean 0 and spread 1 on speech.
    """

    centre: Tensor  # (D,), mean on speech
    scale: Tensor  # (D,), spread on speech

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(WIDTH))
        self.register_buffer("scale", torch.ones(WIDTH))

    @classmethod
    def card(cls) -> Card:
        """Return the card; there are no options."""
        return Card(
            name="prosody",
            task="loudness, timbre and rhythm of a voice",
            description="Descriptors of how something is said: loudness of the quiet, medium and loud frames, the"
            " spectrum of the loud frames, the rate of change of both, and the rhythm of loudness. It contains no"
            " network and no pitch; only the mean and standard deviation that standardize each descriptor are estimated"
            " from data.",
            features=WIDTH,
            layout="specific to avfer",
            data="GRID: six sentences of six speakers, for the mean and the standard deviation only",
            licence_weights="Apache-2.0",
            sources=["Eyben et al., GeMAPS, IEEE Trans. Affective Computing 7 (2016) 190-202: the kind of descriptors"],
        )

    def describe(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel, time before frequency -> descriptors (N, 26), not scaled."""
        bands = patches[:, 0]
        loudness = bands.exp().mean(2).log()  # (N, 96)
        groups = bands.unflatten(2, (TIMBRE, -1)).mean(3)  # (N, 96, 16)
        loud = (2 * loudness).softmax(1)  # a frame counts as its power
        spectrum = torch.einsum("nt,ntg->ng", loud, groups)
        flux = groups.diff(dim=1).abs().mean((1, 2))
        pace = loudness.diff(dim=1).abs().mean(1)
        return torch.cat(
            [
                loudness.sort(1).values[:, list(RANKS)],
                spectrum - spectrum.mean(1, keepdim=True),
                torch.stack([flux, pace], 1),
                rhythm(loudness, FLOOR),
            ],
            1,
        )

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> scaled descriptors (N, 26)."""
        return (self.describe(patches) - self.centre) / self.scale

    def forward(self, patches: Tensor) -> Tensor:
        """Same as `features`: (N, 1, 96, 64) -> (N, 26)."""
        return self.features(patches)


def rhythm(loudness: Tensor, floor: float) -> Tensor:
    """Return the log energy of changes of loudness in four bands of speed.

    loudness: (N, T), floor: is added to the energy -> (N, 4).
    """
    steady = loudness - loudness.mean(1, keepdim=True)
    window = torch.hann_window(loudness.shape[1], device=loudness.device)
    energy = torch.fft.rfft(steady * window).abs().square()
    return torch.stack([energy[:, low:high].sum(1) for low, high in RHYTHMS], 1).add(floor).log()
