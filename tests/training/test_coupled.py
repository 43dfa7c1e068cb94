"""Expressions and action units that teach each other while a network learns."""

import pytest
import torch

from avfer.errors import ConfigError
from avfer.losses.coupling import co_annotation, distribution_matching, shares
from avfer.models.affect.temporal import Temporal
from avfer.training.coupled import Coupling, coupling
from avfer.training.objective import Objective
from avfer.training.data.sequence_batches import Batch
from avfer.training.training_config import make_config

CLASSES = ("happiness", "other", "surprise")
UNITS = ("AU12", "AU26", "AU45")


def test_classes_whose_units_nobody_has_told_take_no_part():
    held = Coupling(CLASSES, UNITS)
    logits, units = torch.randn(6, 3), torch.randn(6, 3)
    expression, valid = torch.tensor([0, 1, 2, 0, 1, 2]), torch.ones(6, dtype=torch.bool)
    table, known = shares(["happiness", "surprise"], UNITS), expression != 1
    taught = co_annotation(units[known], expression[known] // 2, table)
    assert held(logits, units, expression, valid).item() == pytest.approx(
        (taught + distribution_matching(logits[:, [0, 2]], units, table)).item(), rel=1e-5
    )


def batch(steps: int = 5) -> Batch:
    """One sequence of faces, each labelled happy; no unit is labelled."""
    there = torch.ones(1, steps, dtype=torch.bool)
    none = torch.zeros(1, steps, 2)
    return Batch(
        face=torch.randn(1, steps, 4, generator=torch.Generator().manual_seed(0)),
        voice=torch.zeros(1, steps, 0),
        sound=torch.zeros(1, 0, 96, 64),
        has_face=there,
        has_voice=~there,
        times=torch.arange(steps)[None] / 25,
        valid=there,
        pair=none,
        pair_valid=none.bool(),
        expression=torch.zeros(1, steps, dtype=torch.int64),
        expression_valid=there,
        units=torch.zeros(1, steps, 3),
        units_valid=torch.zeros(1, steps, 3, dtype=torch.bool),
    )


def config(weight: float):
    told = {"corpus": "toy", "root": "toy", "targets": ["expression", "action_units"]}
    return make_config(told | {"loss": {"coupling": weight}}, "toy")


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_units_are_learned_from_expressions_where_they_are_coupled(weight):
    torch.manual_seed(0)
    model = Temporal(num_face=4, num_voice=0, width=8, num_classes=3, num_action_units=3, valence_arousal="none")
    told = config(weight)
    objective = Objective(model, told.targets, told.loss, torch.ones(3), coupling(told, CLASSES, UNITS))
    optimiser = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(60):
        optimiser.zero_grad()
        objective(batch()).backward()
        optimiser.step()
    smiles = objective.eval().predict(batch()).action_unit_logits[..., 0].sigmoid().min()
    assert (smiles > 0.9) == (weight > 0)


@pytest.mark.parametrize(("classes", "units"), [((), UNITS), (CLASSES, ()), (("other",), UNITS), (CLASSES, ("AU45",))])
def test_what_nothing_holds_together_is_told(classes, units):
    with pytest.raises(ConfigError, match=r"loss\.coupling: nothing is known that holds these expressions"):
        coupling(config(0.5), classes, units)
    assert coupling(config(0.0), classes, units) is None
