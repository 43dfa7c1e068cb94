"""A student that learns to be its teacher: face embeddings of AVER (Schoneveld et al. 2021, arXiv 2103.09154).

The paper's weights are not public; equal ones and T = 2 are our choice.
"""

import torch.nn.functional as F
from torch import Tensor


def embedding_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """mean((z_S - z_T)²); the teacher is given no gradient.   (N, D), (N, D) -> ()"""
    return F.mse_loss(student, teacher.detach())


def softened_loss(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """KL(softmax(y_T / T) || softmax(y_S / T)) T²; the teacher is given no gradient.   logits (N, K) each -> ()

    Hinton et al. 2015, arXiv 1503.02531; with `embedding_loss` the part of AVER's student loss that needs no label.
    """
    told = (teacher.detach() / temperature).log_softmax(1)
    read = (student / temperature).log_softmax(1)
    return F.kl_div(read, told, reduction="batchmean", log_target=True) * temperature**2
