import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from avfer.models.backbones.face_lite import SIDE, FaceLite, split_outputs
from avfer.models.face_measurer import ACTION_UNITS, ACTIVATIONS, NUM_LANDMARKS, VISIBLE_PARTS, action_units


@pytest.fixture(scope="module")
def network() -> FaceLite:
    torch.manual_seed(0)
    return FaceLite().eval()


def test_it_has_at_most_2_m_parameters_and_60_m_multiply_adds(network):
    assert sum(p.numel() for p in network.parameters()) <= 2_000_000
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, SIDE, SIDE))
    assert counter.get_total_flops() / 2 <= 60_000_000


@torch.inference_mode()
def test_every_output_has_one_row_per_face(network):
    outputs = network.outputs(torch.randn(2, 3, SIDE, SIDE))
    assert outputs.landmarks.shape == (2, NUM_LANDMARKS, 2)
    assert outputs.activations.shape == (2, len(ACTIVATIONS))
    assert outputs.rotation.shape == (2, 3)
    assert outputs.gaze.shape == (2, 2)
    assert outputs.presence.shape == (2,)


@torch.inference_mode()
def test_predict_returns_the_outputs_as_extras(network):
    crops = torch.randn(2, 3, SIDE, SIDE)
    prediction, outputs = network.predict(crops), network.outputs(crops)
    assert prediction.features.shape == (2, network.num_features)
    for name, value in vars(outputs).items():
        assert torch.equal(prediction.extras[name], value)


@torch.inference_mode()
def test_the_layer_for_visible_parts_changes_no_other_output(network):
    whole = FaceLite(visibility=True).eval()
    whole.load_state_dict(network.state_dict(), strict=False)
    crops = torch.randn(2, 3, SIDE, SIDE)
    with_parts, without = whole.outputs(crops), network.outputs(crops)
    assert with_parts.visible.shape == (2, len(VISIBLE_PARTS)) and with_parts.visible.isfinite().all()
    assert (without.visible == torch.inf).all()  # every part counts as visible
    assert all(torch.equal(vars(with_parts)[name], value) for name, value in vars(without).items() if name != "visible")


@torch.inference_mode()
def test_exposure_and_contrast_do_not_matter(network):
    crops = torch.randn(2, 3, SIDE, SIDE)
    assert torch.allclose(network(crops), network(1.5 * crops + 0.4), atol=2e-2)


def test_outputs_of_zero_are_the_middle_of_the_crop_and_no_turn():
    outputs = split_outputs(torch.zeros(1, 345))
    assert (outputs.landmarks == 0.5).all()
    assert (outputs.rotation == 0).all()


def test_an_action_unit_is_the_mean_of_its_activations():
    activations = torch.arange(len(ACTIVATIONS)).float()[None]
    units = action_units(activations)[0].tolist()
    for unit, names in zip(units, ACTION_UNITS.values(), strict=True):
        assert unit == pytest.approx(sum(ACTIVATIONS.index(name) for name in names) / len(names))
