"""Label distribution training of EfficientFace (Zhao, Liu, Zhou, AAAI 2021, as in the authors' code)."""

from torch import Tensor


def label_distribution(student: Tensor, generator: Tensor) -> Tensor:
    """-mean(p ln q) over pictures and classes, p = softmax(generator), q = softmax(student).

    The mean over classes too makes it 1 / K of a cross-entropy. Labels do not enter, and no gradient reaches the
    generator.   student, generator: (N, K) logits of the same pictures -> ()
    """
    return -(generator.detach().softmax(1) * student.log_softmax(1)).mean()
