"""Losses of AVER's face embeddings: triplets of faces, and a student that imitates its teacher.

Schoneveld et al. 2021, arXiv 2103.09154. The paper's weights of the losses are not public; equal ones and a temperature
of 2 are our choice. Triplets: the Google facial expression comparison data (FEC), Vemulapalli and Agarwala, CVPR 2019,
arXiv 1811.11283.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.errors import ConfigError
from avfer.losses.network_loss import ForwardPass, NetworkLoss

MARGINS = {"ONE_CLASS_TRIPLET": 0.1, "TWO_CLASS_TRIPLET": 0.2, "THREE_CLASS_TRIPLET": 0.2}  # by the kind of a triplet


def triplet_loss(first: Tensor, second: Tensor, odd: Tensor, margin: Tensor | float) -> Tensor:
    """Return max(0, |a - b|² - |a - c|² + m) + max(0, |a - b|² - |b - c|² + m).

    a = first and b = second are the similar faces, c = odd is the other one.

    first, second, odd: (N, D) float of unit length; margin: (N,) or a number -> (), the mean.
    """
    positive = (first - second).square().sum(1)
    negative = torch.stack([(first - odd).square().sum(1), (second - odd).square().sum(1)])
    return F.relu(positive - negative + margin).sum(0).mean()


def embedding_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return mean((z_S - z_T)²); no gradient reaches the teacher.   student, teacher: (N, D) float -> ()."""
    return F.mse_loss(student, teacher.detach())


def softened_loss(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """Return KL(softmax(y_T / T) || softmax(y_S / T)) T²; no gradient reaches the teacher.

    Hinton et al. 2015, arXiv 1503.02531.   student, teacher: (N, K) float logits -> ().
    """
    targets = (teacher.detach() / temperature).log_softmax(1)
    outputs = (student / temperature).log_softmax(1)
    return F.kl_div(outputs, targets, reduction="batchmean", log_target=True) * temperature**2


class TripletLoss(NetworkLoss):
    """`triplet_loss` of the triplets that the batch has in addition to its crops; 0 if it has none."""

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    reads_labels: ClassVar[bool] = True

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        triplets = forward_pass.batch.triplets
        if not len(triplets):
            return forward_pass.pixels.new_zeros(())
        embeddings = forward_pass.network.predict(triplets.flatten(0, 1)).extras["embedding"]
        first, second, odd = embeddings.unflatten(0, (-1, 3)).unbind(1)
        return triplet_loss(first, second, odd, forward_pass.batch.margins)


class EmbeddingLoss(NetworkLoss):
    """`embedding_loss` of the student's and the teacher's embeddings."""

    needs: ClassVar[frozenset[str]] = frozenset({"embedding"})
    teacher: ClassVar[str] = "aver_teacher"

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, (). Raises ConfigError for a teacher with another embedding, or with none."""
        student = forward_pass.prediction.extras["embedding"]
        teacher = forward_pass.teacher_prediction.extras.get("embedding")
        if teacher is None or teacher.shape != student.shape:
            theirs = "no embedding" if teacher is None else f"an embedding of {teacher.shape[1]} values"
            raise ConfigError(
                f"losses: embedding: the teacher has {theirs}, the network in training one of {student.shape[1]};"
                " take a teacher of the same width (num_features in model_options:), or leave the loss out"
            )
        return embedding_loss(student, teacher)


class SoftenedLoss(NetworkLoss):
    """`softened_loss` of the student's and the teacher's expression logits."""

    teacher: ClassVar[str] = "aver_teacher"

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        return softened_loss(forward_pass.expression_logits, forward_pass.teacher_logits)
