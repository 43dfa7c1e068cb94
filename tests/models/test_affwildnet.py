"""AffWildNet: what TensorFlow computes with the authors' variables, our networks compute."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from avfer.errors import WeightsError
from avfer.losses.label_losses import ccc_loss
from avfer.models.backbones import vgg_face
from avfer.models.backbones.affwildnet_vgg import AffWildNetVgg
from avfer.models.checkpoint_import import import_weights
from avfer.models.factory import create, from_tensors
from avfer.models.video.affwildnet import AffWildNetResNetGru, AffWildNetVggGru
from avfer.models.weights import card_of
from tests.models import as_tensorflow
from tests.models.as_tensorflow import Variables

ROOT = Path(__file__).parents[2]
NAMES = ["affwildnet_vgg", "affwildnet_vgg_gru", "affwildnet_resnet_gru"]


def variables(name: str) -> Variables:
    """A checkpoint of each folder of the authors, four channels wide."""
    if name == "affwildnet_vgg":
        return as_tensorflow.vgg_variables(4, [24, 10, 2])
    if name == "affwildnet_vgg_gru":
        return as_tensorflow.vgg_variables(4, [24]) | as_tensorflow.gru_variables("rnn_1", 24, 6, "rnn")
    return as_tensorflow.resnet_variables(4) | as_tensorflow.gru_variables("rnn", 128, 6, "output")


def as_published(name: str, given: Variables, frames: torch.Tensor) -> np.ndarray:
    """frames: (B, T, 96, 96, 3) -> valence and arousal (B, T, 2)."""
    crops, shape = frames.flatten(0, 1), (*frames.shape[:2], -1)
    if name == "affwildnet_vgg":
        hidden = as_tensorflow.vgg(given, crops, ["linear_1", "linear2_1"])
        return (hidden @ given["linear3_1/weights"] + given["linear3_1/biases"]).reshape(shape).numpy()
    if name == "affwildnet_vgg_gru":
        features = as_tensorflow.vgg(given, crops, ["linear_1"])
        return as_tensorflow.gru(given, "rnn_1", features.reshape(shape).double().numpy(), "rnn")
    features = as_tensorflow.resnet(given, crops)
    return as_tensorflow.gru(given, "rnn", features.reshape(shape).double().numpy(), "output")


def small(**options: int) -> AffWildNetVggGru:
    torch.manual_seed(0)
    return AffWildNetVggGru(width=2, num_features=12, num_hidden=5, **options).eval()


def size(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parts_have_the_published_sizes():
    with torch.device("meta"):
        network = AffWildNetVggGru()
        parts = network.trunk.convs, network.trunk.full, network.gru, network.output
        assert [size(part) for part in parts] == [14_714_688, 18_878_464, 1_721_088, 258]
        resnet = AffWildNetResNetGru()
        assert size(resnet.gru) + size(resnet.output) == 934_914
        assert size(resnet.trunk) == 25_557_032 - 2_049_000  # torchvision's ResNet-50 without its classifier
        assert size(AffWildNetVgg()) == 41_791_154
        assert size(AffWildNetVgg(num_hidden=4096)) == 50_382_658


def test_a_crop_has_4608_values_before_the_first_full_layer():
    with torch.device("meta"):
        assert AffWildNetVgg().trunk.convs(torch.zeros(1, 3, 96, 96)).flatten(1).shape == (1, 4608)


@pytest.mark.parametrize("scope", ["", "model/net/"], ids=["bare names", "a scope around them"])
@pytest.mark.parametrize("name", NAMES)
def test_converted_variables_give_what_tensorflow_gives(name, scope):
    given = variables(name)
    network = from_tensors(name, {scope + key: value for key, value in given.items()}, "the dump")
    frames = torch.randn(2, 3, 96, 96, 3, generator=torch.Generator().manual_seed(5))
    wanted = as_published(name, given, frames)
    crops = frames.permute(0, 1, 4, 2, 3)
    with torch.inference_mode():
        alone = network(crops.flatten(0, 1)).unflatten(0, (2, 3)) if name == "affwildnet_vgg" else None
        found = network(crops) if alone is None else alone
    assert wanted.std() > 0.01
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(("place", "row"), [((0, 0, 0), 0), ((0, 1, 5), 37), ((2, 1, 31), 255)])
def test_the_first_full_layer_reads_maps_whose_channels_came_last(place, row):
    given = {"linear_1/weights": torch.zeros(288, 2), "linear_1/biases": torch.zeros(2)}
    given["linear_1/weights"][row, 1] = 1
    high, wide, channel = place
    made = vgg_face.named(given)["trunk.full.0.weight"].reshape(2, 32, 3, 3)
    assert made.nonzero().tolist() == [[1, channel, high, wide]]


def fake_tensorflow(stored: dict[str, np.ndarray]) -> SimpleNamespace:
    """The two functions of tf.train that the dump calls."""
    return SimpleNamespace(
        train=SimpleNamespace(
            load_checkpoint=lambda _: SimpleNamespace(get_tensor=stored.__getitem__),
            list_variables=lambda _: [(name, value.shape) for name, value in stored.items()],
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_dump_is_imported(name, tmp_path, monkeypatch):
    stored = {key: value.numpy() for key, value in variables(name).items()}
    first = next(iter(stored))
    slots = {f"{first}/Adam": stored[first], f"{first}/Adam_1": stored[first]}
    slots |= {"beta1_power": np.float32(0.9), "global_step": np.int64(7), "train/beta2_power": np.float32(0.9)}
    monkeypatch.setitem(sys.modules, "tensorflow", fake_tensorflow(stored | slots))
    source = importlib.util.spec_from_file_location("dump_affwildnet", ROOT / "tools" / "dump_affwildnet.py")
    tool = importlib.util.module_from_spec(source)
    source.loader.exec_module(tool)
    assert tool.dump("model.ckpt-7", str(tmp_path / "dump.npz")) == list(stored)
    path, card, notes = import_weights(name, tmp_path / "dump.npz", tmp_path / "w.safetensors")
    assert (card.name, card.options["width"], notes) == (name, 4, [])
    crops = torch.randn(1, 2, 3, 96, 96)[:, 0 if name == "affwildnet_vgg" else slice(None)]
    with torch.inference_mode():
        found = create(name, weights=path)(crops)
        assert torch.equal(found, from_tensors(name, variables(name), "the dump")(crops))


def test_a_checkpoint_of_another_folder_raises_an_error_with_its_tensors():
    with pytest.raises(WeightsError, match=r"the dump does not fit affwildnet_vgg: tensors 4 missing .*gru_cell"):
        from_tensors("affwildnet_vgg", variables("affwildnet_vgg_gru"), "the dump")


@pytest.mark.parametrize("num_classes", [0, 3])
def test_single_pictures_have_valence_arousal_and_optionally_expressions(num_classes):
    torch.manual_seed(0)
    network = AffWildNetVgg(num_classes, num_hidden=6, num_features=12, width=2).eval()
    crops = torch.randn(2, 3, 96, 96)
    prediction = network.predict(crops)
    assert prediction.features.shape == (2, 6) and prediction.valence_arousal.shape == (2, 2)
    logits = prediction.expression_logits
    assert logits is None if not num_classes else logits.shape == (2, 3)
    assert torch.equal(network(crops), prediction.valence_arousal if logits is None else logits)
    options = AffWildNetVgg.from_official(network.state_dict())[0]
    assert card_of("affwildnet_vgg", **options) == AffWildNetVgg.card(num_classes, 6, 12, 2)


def test_eighty_frames_of_two_videos_have_valence_and_arousal():
    with torch.inference_mode():
        assert small()(torch.zeros(2, 80, 3, 96, 96)).shape == (2, 80, 2)


def test_a_sequence_depends_on_no_other_sequence():
    network, frames = small(), torch.randn(3, 4, 3, 96, 96)
    with torch.inference_mode():
        together = network(frames)
        assert torch.equal(network(frames), together), "the state of the first call is gone"
        alone = torch.cat([network(one[None]) for one in frames])
        assert torch.allclose(alone, together, atol=1e-6)
        assert not torch.allclose(network(frames.flatten(0, 1)[None]).unflatten(1, (3, 4))[0, 1:], together[1:])


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_two_sequences_falls(seed):
    """The features of a frame hold valence and arousal of the next one."""
    network, random = small(), torch.Generator().manual_seed(seed)
    pair = torch.rand(2, 20, 2, generator=random) * 1.6 - 0.8
    face, has_face = torch.randn(2, 20, 12, generator=random), torch.ones(2, 20, dtype=torch.bool)
    face[..., :2] += 2 * pair.roll(-1, 1)
    parameters = [*network.gru.parameters(), *network.output.parameters()]
    optimiser, losses = torch.optim.Adam(parameters, 0.02), list[float]()
    for _ in range(60):
        prediction = network.train().sequence(face, face, has_face, ~has_face)
        pairs = zip(prediction.valence_arousal.unbind(2), pair.unbind(2), strict=True)
        loss = torch.stack([ccc_loss(x, y) for x, y in pairs]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.8 and losses[-1] < 0.3


def test_outputs_are_unbounded_in_training_and_clamped_in_a_pipeline():
    network = small()
    torch.nn.init.constant_(network.output.bias, 3.0)
    frames, there = torch.randn(1, 4, 3, 96, 96), torch.ones(1, 4, dtype=torch.bool)
    with torch.inference_mode():
        assert network(frames).min() > 1.5
        features = network.features(frames[0])
        out, _ = network.step(features, features[:, :0], there[0], ~there[0], network.start(4))
        assert out.valence_arousal.tolist() == [[1.0, 1.0]] * 4
        assert out.tensors().keys() == {"valence_arousal"}
        assert network.train().sequence(features[None], features[None], there, ~there).valence_arousal.min() > 1.5


def test_steps_and_sequences_agree_and_skip_gaps():
    network = small()
    face = torch.randn(1, 6, 12).relu()
    has_face = torch.tensor([[True, True, False, False, True, True]])
    with torch.inference_mode():
        whole, hidden = network.sequence(face, face, has_face, ~has_face), network.start(1)
        for time in range(6):
            out, hidden = network.step(face[:, time], face[:, time], has_face[:, time], has_face[:, time], hidden)
            if has_face[0, time]:
                assert torch.allclose(out.valence_arousal, whole.valence_arousal[:, time], atol=1e-6)
        short = network.sequence(face[:, has_face[0]], face, has_face[:, has_face[0]], has_face)
        assert torch.allclose(whole.valence_arousal[:, has_face[0]], short.valence_arousal, atol=1e-6)
