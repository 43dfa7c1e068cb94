"""Optimisers and schedules: each tensor has the rate of its recipe at every step."""

import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from avfer.errors import ConfigError
from avfer.training.engine.checkpoint import read_checkpoint
from avfer.training.engine.optimiser import ascend, make_optimiser, make_schedule, rates_at, set_rates
from avfer.training.training_config import OptimiserConfig
from tests.training import toy_recordings as toy


class Transformer(nn.Module):
    """The parameter names of a small vision transformer inside an objective."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.encoder = nn.Module()
        self.model.encoder.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.model.encoder.patch_embed = nn.Linear(4, 4, bias=False)
        self.model.encoder.blocks = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
        self.model.encoder.norm = nn.LayerNorm(4)
        self.model.generator = nn.Module()
        self.model.generator.blocks = nn.Sequential(nn.Linear(4, 4))
        self.model.head = nn.Linear(4, 2)


def rates(module: nn.Module, **changes: object) -> dict[str, float]:
    """Return the rate of each tensor by its name."""
    made = make_optimiser(module, OptimiserConfig.model_validate({"rate": 1.0} | changes))
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {names[id(p)]: group["lr"] for group in made.param_groups for p in group["params"]}


def test_each_layer_of_a_transformer_has_a_lower_rate_than_the_layer_above():
    found = rates(Transformer(), layer_decay=0.5)
    assert found["model.encoder.cls_token"] == found["model.encoder.patch_embed.weight"] == 0.5**4
    assert [found[f"model.encoder.blocks.{n}.weight"] for n in range(3)] == [0.5**3, 0.5**2, 0.5]
    assert found["model.encoder.norm.weight"] == found["model.head.bias"] == found["model.generator.blocks.0.bias"] == 1


def test_the_longest_matching_part_sets_the_rate():
    found = rates(Transformer(), rates={"encoder": 0.1, "encoder.blocks.1": 3.0, "head": 10.0}, layer_decay=0.5)
    assert found["model.encoder.norm.bias"] == 0.1
    assert found["model.encoder.blocks.0.weight"] == pytest.approx(0.1 * 0.5**3)
    assert found["model.encoder.blocks.1.weight"] == pytest.approx(3 * 0.5**2)
    assert found["model.head.weight"] == 10 and found["model.generator.blocks.0.weight"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": {"encoder": 1, "hed": 2}}, "unknown part 'hed'; did you mean 'head'"),
        ({"rates": {"enc": 1}}, "unknown part 'enc'"),
        ({"betas_of": {"discriminator": (0.5, 0.9)}}, "betas_of: unknown part 'discriminator'"),
        ({"layer_decay": 0.9}, "layer_decay: only vision transformers"),
    ],
)
def test_rates_of_unknown_parts_are_refused(changes, message):
    module = Transformer()
    if "layer_decay" in changes:
        del module.model.encoder
    with pytest.raises(ConfigError, match=message):
        make_optimiser(module, OptimiserConfig(**changes))


@pytest.mark.parametrize("decay", [False, True])
def test_vectors_are_decayed_only_with_decay_vectors(decay):
    module = Transformer()
    made = make_optimiser(module, OptimiserConfig(weight_decay=0.3, decay_vectors=decay))
    decays = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert decays[id(module.model.head.weight)] == 0.3
    assert decays[id(module.model.head.bias)] == (0.3 if decay else 0)
    assert len(decays) == len(list(module.parameters()))


@pytest.mark.parametrize("name", ["adam", "adamw", "adabelief"])
def test_betas_are_as_configured(name):
    made = make_optimiser(Transformer(), OptimiserConfig(name=name, betas=(0.5, 0.9)))
    assert all(group["betas"] == (0.5, 0.9) for group in made.param_groups)


def test_momentum_is_that_of_the_configuration():
    made = make_optimiser(Transformer(), OptimiserConfig(name="sgd", momentum=0.7))
    assert all(group["momentum"] == 0.7 for group in made.param_groups)


def test_a_sharpness_aware_step_goes_uphill_by_its_radius_and_comes_back_to_the_bit():
    weights = [nn.Parameter(torch.tensor(values)) for values in ([3.0, 0.1], [0.7], [9.0])]
    weights[0].grad, weights[1].grad = torch.tensor([1.0, 2.0]), torch.tensor([2.0])
    before = [p.detach().clone() for p in weights]
    descend = ascend(weights, 0.3)
    moved = torch.cat([p.detach() - old for p, old in zip(weights, before, strict=True)])
    assert moved.tolist() == pytest.approx([0.1, 0.2, 0.2, 0.0], abs=1e-6)
    descend()
    assert all(torch.equal(p, old) for p, old in zip(weights, before, strict=True))


def test_a_part_can_have_other_betas():
    """This equals an optimiser of its own, since Adam treats each tensor by itself."""
    module = Transformer()
    made = make_optimiser(module, OptimiserConfig(betas=(0.9, 0.95), betas_of={"generator": (0.5, 0.9)}))
    found = {id(p): group["betas"] for group in made.param_groups for p in group["params"]}
    generator = {id(p) for p in module.model.generator.parameters()}
    assert all(betas == ((0.5, 0.9) if key in generator else (0.9, 0.95)) for key, betas in found.items())


def factors(config: OptimiserConfig, steps: int, steps_per_epoch: int) -> list[float]:
    made = make_optimiser(nn.Linear(2, 2), config.model_copy(update={"rate": 1.0}))
    schedule, found = make_schedule(made, config, steps, steps_per_epoch), list[float]()
    for _ in range(steps):
        found.append(float(schedule.get_last_lr()[0]))
        made.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("every", "expected"),
    [(2, [1, 1, 0.1, 0.1, 0.01, 0.01]), ([1, 4], [1, 0.1, 0.1, 0.1, 0.01, 0.01]), ([9], [1] * 6)],
)
def test_a_step_schedule_drops_between_epochs(every, expected):
    found = factors(OptimiserConfig(schedule="step", drop=0.1, every=every), 18, 3)
    assert found == pytest.approx([rate for rate in expected for _ in range(3)])


def test_one_cycle_equals_torch():
    made = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0)
    theirs = OneCycleLR(made, 1.0, total_steps=2000, pct_start=0.3, cycle_momentum=False)
    expected = list[float]()
    for _ in range(2000):
        expected.append(theirs.get_last_lr()[0])
        made.step()
        theirs.step()
    found = factors(OptimiserConfig(schedule="one_cycle", warm_up=0.3), 2000, 100)
    assert found == pytest.approx(expected, abs=3e-3)


def test_one_cycle_starts_at_a_25th_of_the_rate_and_ends_at_a_ten_thousandth_of_that():
    config = OptimiserConfig(schedule="one_cycle", warm_up=0.3, rate=1.0)
    schedule = make_schedule(make_optimiser(nn.Linear(2, 2), config), config, 100, 10)
    assert [rates_at(schedule, step)[0] for step in (0, 30, 100)] == pytest.approx([1 / 25, 1, 1 / 25 / 1e4], rel=1e-6)


def test_a_cosine_falls_to_0_after_a_linear_warm_up():
    config = OptimiserConfig(schedule="cosine", warm_up=0.2, rate=1.0)
    schedule = make_schedule(make_optimiser(nn.Linear(2, 2), config), config, 10, 5)
    falling = [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(9)]
    assert [rates_at(schedule, step)[0] for step in range(11)] == pytest.approx([0.5, 1.0, *falling])


def test_a_schedule_over_more_steps_continues_on_its_own_curve():
    config = OptimiserConfig(schedule="cosine", warm_up=0.2, rate=1.0)
    before, after = (make_optimiser(nn.Linear(2, 2), config) for _ in range(2))
    schedule, longer = make_schedule(before, config, 10, 5), make_schedule(after, config, 40, 5)
    for _ in range(7):
        before.step()
        schedule.step()
    after.load_state_dict(before.state_dict())
    longer.load_state_dict(schedule.state_dict())
    set_rates(longer)
    found = list[float]()
    for _ in range(7, 40):
        found.append(after.param_groups[0]["lr"])
        after.step()
        longer.step()
    assert found == pytest.approx(factors(config, 40, 5)[7:])


def test_a_part_at_rate_0_stays_unchanged(tmp_path):
    before = {name: value.clone() for name, value in toy.task(toy.settings()).objective.model.state_dict().items()}
    config = toy.settings(epochs=1, optimiser={"name": "adabelief", "rate": 0.01, "rates": {"readers.0.time": 0.0}})
    toy.run(config, tmp_path)
    content = read_checkpoint(tmp_path)
    assert content is not None
    after = {name.removeprefix("model."): value for name, value in content["module"].items()}
    moved = {name.split(".")[2] for name, value in before.items() if not torch.equal(value, after[name])}
    assert "heads" in moved and "time" not in moved
