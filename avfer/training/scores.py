"""Scores of all targets on a partition, the same for images and for sequences.

Predictions are added batch by batch or recording by recording; the metrics of avfer.metrics accumulate counts and
moments, so that the result is that of all labels at once.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from avfer.datasets.example import DIMENSIONS
from avfer.errors import MetricError
from avfer.losses.affect_labels import AffectLabels
from avfer.metrics import ActionUnitScores, ClassScores, RegressionScores
from avfer.models.prediction import Prediction
from avfer.training.labels import TargetNames
from avfer.training.training_config import Target


class TargetScores:
    """CCC of valence and arousal, scores of expressions, and F1 of action units, over all labels added.

    `result()["score"]`, which selects the best epoch, is the mean over the targets of: the mean CCC; the score of
    expressions named by `decide`; the macro F1 of the action units.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        names: TargetNames,
        decide: str = "f1_macro",
        reported: Sequence[str] = ("f1_macro", "accuracy"),
    ) -> None:
        """targets: in the order of the results; reported: names of the scores of expressions, see `ClassScores`."""
        self.targets, self.decide, self.reported = targets, decide, reported
        self.dimensions = [RegressionScores(), RegressionScores()]
        self.expression = ClassScores(len(names.classes))
        self.action_units = ActionUnitScores(list(names.action_units))

    def add(self, prediction: Prediction, labels: AffectLabels) -> None:
        """Add a prediction and the labels of the same N images or steps; entries without a valid label do not count.

        prediction: (N, ...); valence and arousal are clamped to [-1, 1]. labels: (N, ...). Both on the CPU. Raises
        MetricError if a prediction is non-finite.
        """
        if "valence_arousal" in self.targets and prediction.valence_arousal is not None:
            values = prediction.valence_arousal.double().clamp(-1, 1)
            for column, scores in enumerate(self.dimensions):
                valid = labels.valence_arousal_valid[:, column]
                if valid.any():
                    scores.add(values[valid, column].numpy(), labels.valence_arousal[valid, column].double().numpy())
        if "expression" in self.targets and prediction.expression_logits is not None:
            valid = labels.expression_valid
            logits = prediction.expression_logits[valid]
            if not logits.isfinite().all():  # the largest of several numbers would be found all the same
                raise MetricError("prediction: expression logits must be finite, got NaN or infinity")
            if valid.any():
                self.expression.add(logits.argmax(1).numpy(), labels.expression[valid].numpy())
        if "action_units" in self.targets and prediction.action_unit_logits is not None:
            probabilities = prediction.action_unit_logits.sigmoid().double().numpy()
            valid = labels.action_units_valid
            if valid.any():
                self.action_units.add(probabilities, labels.action_units.double().numpy(), valid.numpy())

    def result(self) -> dict[str, float]:
        """Return "score" and the scores of each target by name, such as "ccc_valence", "f1_macro" and "au_f1"."""
        found, means = dict[str, float](), list[float]()
        for target in self.targets:
            if target == "valence_arousal":
                ccc = [scores.result()["ccc"] for scores in self.dimensions]
                found |= {f"ccc_{name}": value for name, value in zip(DIMENSIONS, ccc, strict=True)}
                means.append((ccc[0] + ccc[1]) / 2)
            elif target == "expression":
                scores = self.expression.result()
                found |= {name: scores[name] for name in self.reported}
                means.append(scores[self.decide])
            else:
                found["au_f1"] = self.action_units.result()["f1_macro"]
                means.append(found["au_f1"])
        return {"score": float(np.mean(means)), **found}


def on_cpu(prediction: Prediction) -> Prediction:
    """Return a prediction in float32 on the CPU, as `TargetScores.add` takes it."""
    return prediction.map(lambda x: x.float().cpu())


def mean_of_steps(prediction: Prediction, has_input: np.ndarray) -> Prediction:
    """Return the mean of a prediction over the steps of a clip, as one step; probabilities are averaged, not logits.

    prediction: (T, ...) float32 on the CPU -> (1, ...). has_input: (T,) bool, whether a step has a face or a voice; the
    others have no row with values in a table. If there is none, all steps count.
    """
    steps = torch.from_numpy(has_input if has_input.any() else ~has_input)
    tensors = {name: value[steps] for name, value in prediction.tensors().items()}
    means = {name: value.mean(0, keepdim=True) for name, value in tensors.items()}
    if "expression_logits" in tensors:  # logarithms, because a probability of 0 would have no logit
        logarithms = tensors["expression_logits"].log_softmax(1)
        means["expression_logits"] = logarithms.logsumexp(0, keepdim=True) - math.log(len(logarithms))
    if "action_unit_logits" in tensors:
        means["action_unit_logits"] = tensors["action_unit_logits"].sigmoid().mean(0, keepdim=True).logit(1e-6)
    return Prediction.of(means)


def with_valence_arousal(prediction: Prediction, values: np.ndarray) -> Prediction:
    """Return a prediction with other valence and arousal.   values: (N, 2) float64."""
    return replace(prediction, valence_arousal=torch.from_numpy(values))
