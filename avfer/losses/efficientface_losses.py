"""Label distribution training of EfficientFace (Zhao, Liu, Zhou, AAAI 2021, after the official code)."""

from typing import ClassVar

from torch import Tensor

from avfer.losses.network_loss import ForwardPass, NetworkLoss


def label_distribution(student: Tensor, generator: Tensor) -> Tensor:
    """Return -mean(p ln q) over images and classes, p = softmax(generator), q = softmax(student).

    The mean over the classes makes it 1 / K of a cross-entropy. It reads no labels, and no gradient reaches the
    generator.

    student, generator: (N, K) float logits of the same images -> ().
    """
    return -(generator.detach().softmax(1) * student.log_softmax(1)).mean()


class LabelDistributionLoss(NetworkLoss):
    """`label_distribution` with a frozen generator as the teacher."""

    teacher: ClassVar[str] = "efficientface_ldg"

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        return label_distribution(forward_pass.expression_logits, forward_pass.teacher_logits)
