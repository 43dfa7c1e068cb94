"""voice_lite: the descriptors of prosody_pitch, and the arousal and valence that a linear layer reads from them."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from avfer.models.backbones.prosody_pitch import NAMES, ProsodyPitch
from avfer.models.backbones.vggish import VggishLite
from avfer.models.network import VoiceNetwork
from avfer.signal.log_mel import BANDS, SoundFrames
from avfer.signal.voice_frames import VOICE_FRAMES

AFFECT = 2  # arousal and valence, the first features
LIMIT = 4.0  # standard deviations, to which descriptors are clamped before they are read


class VoiceLite(VoiceNetwork):
    """Arousal and valence of a voice in [-1, 1], then the 44 descriptors from which a linear layer reads them.

    timbre: whether the 128 features of vggish_lite follow, as in the weights that were trained on acted speech.
    """

    frames: ClassVar[SoundFrames] = VOICE_FRAMES

    def __init__(self, timbre: bool = False) -> None:
        super().__init__()
        self.prosody = ProsodyPitch()
        self.affect = nn.Linear(len(NAMES), AFFECT)
        self.timbre = VggishLite() if timbre else None

    def start_voice(self) -> Tensor:
        """Return the state of prosody_pitch before the first patch: (6,)."""
        return self.prosody.start_voice()

    def step_voice(self, patches: Tensor, state: Tensor, hop: float) -> tuple[Tensor, Tensor]:
        """patches: (N, 1, 96, 82), one every `hop` s, state: (6,) -> features (N, 46) or (N, 174), state."""
        described, state = self.prosody.step_voice(patches, state, hop)
        parts = [self.affect(described.clamp(-LIMIT, LIMIT)).tanh(), described]
        if self.timbre is not None:
            parts.append(self.timbre.features(patches[..., :BANDS]))
        return torch.cat(parts, 1), state

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 82), one every 0.2 s from the start of a sound on -> features (N, 46) or (N, 174)."""
        return self.step_voice(patches, self.start_voice(), 0.2)[0]

    def forward(self, patches: Tensor) -> Tensor:
        """Same as `features`: (N, 1, 96, 82) -> (N, 46) or (N, 174)."""
        return self.features(patches)
