"""linear_lite: heads that read the face of one picture, without memory and without sound."""

from torch import Tensor

from avfer.models.affect.heads import AffectHeads
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction


class LinearLite(AffectModel):
    """One linear layer for each output."""

    def __init__(self, num_face: int = 256, num_classes: int = 8, num_action_units: int = 17) -> None:
        super().__init__()
        self.heads = AffectHeads(num_face, num_classes, num_action_units)

    def start(self, n: int) -> Tensor:
        """(n, 0): nothing is remembered."""
        return next(self.heads.parameters()).new_zeros(n, 0)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, Df); the voice is not read -> outputs (N, ...) and hidden as it was."""
        return self.heads(face), hidden

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face: (B, T, Df) -> outputs (B, T, ...), each row by itself; nothing else is read."""
        return self.heads(face)
