"""Losses of PSR's branches (Vo et al., IEEE Access 8, 2020, after the official code).

On FERPlus each branch learns the votes of annotators. Elsewhere labels are smoothed by a prior ("PDLS", prior
distribution label smoothing): the mean votes for FERPlus images whose majority voted for the same class.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.losses.network_loss import ForwardPass, LossContext, NetworkLoss
from avfer.models.class_orders import FERPLUS

VOTES = (  # row: majority class of an image in FERPlus's training partition; column: mean share of the votes
    (0.7773, 0.0326, 0.0174, 0.1141, 0.0262, 0.0071, 0.0044, 0.0208),
    (0.0428, 0.9176, 0.0232, 0.0048, 0.0042, 0.0020, 0.0018, 0.0036),
    (0.0584, 0.0358, 0.7873, 0.0104, 0.0143, 0.0030, 0.0885, 0.0024),
    (0.1701, 0.0133, 0.0086, 0.7479, 0.0228, 0.0112, 0.0159, 0.0101),
    (0.0748, 0.0254, 0.0602, 0.0319, 0.7406, 0.0349, 0.0233, 0.0090),
    (0.0896, 0.0174, 0.0169, 0.0886, 0.1252, 0.6208, 0.0078, 0.0337),
    (0.0428, 0.0122, 0.1695, 0.0726, 0.0272, 0.0130, 0.6590, 0.0037),
    (0.1479, 0.0222, 0.0099, 0.0429, 0.0336, 0.0599, 0.0055, 0.6781),
)


def prior(classes: Sequence[str]) -> Tensor:
    """Return the mean share of the votes for each class (column) in images of each class (row): (K, K) float32.

    Rows and columns are in the order of `classes`. As in the official code, rows of fewer than the eight classes are
    not normalised to a sum of 1. Raises ValueError for a class that is not in FERPLUS.
    """
    if unknown := set(classes) - set(FERPLUS):
        raise ValueError(f"no votes are known for {', '.join(sorted(unknown))}; choose among {', '.join(FERPLUS)}")
    index = [FERPLUS.index(name) for name in classes]
    return torch.tensor(VOTES)[index][:, index]


def smoothed(labels: Tensor, prior: Tensor, alpha: float = 0.8) -> Tensor:
    """Return alpha onehot + (1 - alpha) prior of the label.   labels: (N,) int64; prior: (K, K) -> (N, K) float."""
    return alpha * F.one_hot(labels, len(prior)) + (1 - alpha) * prior[labels]


def branches_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -sum_c t_c log p_c, the mean over images and branches.

    logits: (N, K, B) float; targets: (N, K) float, shares of the classes -> (); 0 if N is 0.
    """
    if not len(logits):
        return logits.sum()
    return F.cross_entropy(logits, targets[:, :, None].expand_as(logits))


class PdlsLoss(NetworkLoss):
    """`branches_loss` of the labelled crops against their labels, smoothed by the prior.

    context: states the classes of the network.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"branch_logits"})
    reads_labels: ClassVar[bool] = True

    def __init__(self, context: LossContext) -> None:
        """Look up the prior of the network's classes. Raises ValueError for a class without votes."""
        super().__init__(context)
        self.prior = prior(context.card.classes)

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        labels, logits = forward_pass.batch.labels, forward_pass.prediction.extras["branch_logits"]
        valid = labels.expression_valid
        targets = smoothed(labels.expression[valid], self.prior.to(valid.device))
        return branches_loss(logits[valid], targets)


class BranchVotesLoss(NetworkLoss):
    """`branches_loss` of the crops with votes against the shares of the votes."""

    needs: ClassVar[frozenset[str]] = frozenset({"branch_logits"})
    reads_labels: ClassVar[bool] = True

    def forward(self, forward_pass: ForwardPass) -> Tensor:
        """Return the loss of a batch, ()."""
        all_votes, logits = forward_pass.batch.labels.votes, forward_pass.prediction.extras["branch_logits"]
        voted = all_votes.sum(1) > 0
        votes = all_votes[voted]
        return branches_loss(logits[voted], votes / votes.sum(1, keepdim=True))
