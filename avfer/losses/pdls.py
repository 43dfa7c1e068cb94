"""Prior distribution label smoothing of PSR (Vo et al., IEEE Access 8, 2020, as in the authors' code)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTES = (  # row: the class that most saw in a picture of FERPlus' training part; column: mean share of the votes
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
    """What people see in faces of each class: (K, K), row the label, in the order of `classes`.

    Rows of fewer than the eight classes are not brought back to a sum of 1, as in the code. ValueError for a class
    that is not among CLASSES.
    """
    if unknown := set(classes) - set(CLASSES):
        raise ValueError(f"no votes are known for {', '.join(sorted(unknown))}; there are {', '.join(CLASSES)}")
    index = [CLASSES.index(name) for name in classes]
    return torch.tensor(VOTES)[index][:, index]


def smoothed(labels: Tensor, prior: Tensor, alpha: float = 0.8) -> Tensor:
    """alpha onehot + (1 - alpha) prior of the label.   labels: (N,) int64; prior: (K, K) -> (N, K)"""
    return alpha * F.one_hot(labels, len(prior)) + (1 - alpha) * prior[labels]


def branches_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """-sum_c t_c log p_c, mean over pictures and branches.

    targets are shares of the classes: `smoothed` labels, or votes as FERPlus has them.   logits: (N, K, B); targets:
    (N, K) -> (); 0 without a picture
    """
    if not len(logits):
        return logits.sum()
    return F.cross_entropy(logits, targets[:, :, None].expand_as(logits))
