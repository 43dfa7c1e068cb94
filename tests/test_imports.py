"""Checkpoints as their authors wrote them become weight files with cards, and compute what their code computes."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avfer.errors import ConfigError, WeightsError
from avfer.goldens.adapters import ADAPTERS
from avfer.goldens.golden_files import Golden, read_golden
from avfer.models.card_files import read_card
from avfer.models.checkpoint_import import import_weights
from avfer.models.factory import create
from avfer.models.weights import card_of, locate

FOLDER = Path(__file__).parent / "golden"


@lru_cache(maxsize=1)
def golden_of(name: str) -> Golden:
    """Return a golden; the one read last is kept, because the weights of a large network take seconds to compute."""
    return read_golden(FOLDER / name)


class RecorderMeter:
    """Object in every checkpoint of one training script."""


def wrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As a data-parallel wrapper names them."""
    return {f"module.{name}": tensor for name, tensor in tensors.items()}


def poster_v2(tensors: dict[str, Tensor]) -> dict[str, Any]:
    meters = {"recorder1": RecorderMeter(), "recorder": RecorderMeter()}
    return {"epoch": 7, "state_dict": wrapped(tensors), "best_acc": torch.tensor(92.21), "optimizer": {}} | meters


def poster(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {"iter": 3, "model_state_dict": wrapped(tensors), "optimizer_state_dict": {"state": {}}}


def dan(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {"iter": 3, "model_state_dict": tensors, "optimizer_state_dict": {"state": {}}}


def parallel(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {"state_dict": wrapped(tensors)}


def mae(tensors: dict[str, Tensor]) -> dict[str, Any]:
    decoder = {"mask_token": torch.zeros(1, 1, 512), "decoder_embed.weight": torch.zeros(512, 192)}
    return {"model": tensors | decoder, "epoch": 300}


def bare(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return tensors


def torchaudio(tensors: dict[str, Tensor]) -> dict[str, Any]:
    names = {"features": "features_network", "embeddings": "embedding_network"}
    return {f"{names[name.split('.')[0]]}.{name.split('.', 1)[1]}": tensor for name, tensor in tensors.items()}


LAYOUTS = [  # golden, network, layout, what the user says of the classes
    ("dan7-scaled", "dan", dan, None),
    ("dan8-scaled", "dan", dan, None),
    ("efficientface-scaled", "efficientface", parallel, None),
    ("efficientface-ldg", "efficientface_ldg", parallel, None),
    ("mae-vit-tiny-7", "pf_vit", mae, "raf_db"),
    ("mae-vit-tiny-7", "pf_vit", dan, "raf_db"),
    ("mae-vit-tiny-7", "pf_vit", bare, "raf_db"),
    ("poster-rafdb-7", "poster", poster, None),
    ("poster-affectnet-8", "poster", poster, None),
    ("posterpp-7", "poster_v2", poster_v2, "raf_db"),
    ("posterpp-8", "poster_v2", poster_v2, "affectnet_8"),
    ("psr-rafdb-7", "psr", bare, None),
    ("vggish", "vggish", bare, None),
    ("vggish", "vggish", torchaudio, None),
]


def official(golden: str, layout: Any, path: Path) -> Path:
    """A checkpoint with the tensors of a golden."""
    found = golden_of(golden)
    tensors = {name: torch.from_numpy(values) for name, values in found.tensors.items()}
    computed = {name: torch.zeros(49, 49, dtype=torch.int64) for name in found.constructed}  # never read
    torch.save(layout(tensors | computed), path)
    return path


@pytest.mark.parametrize(("golden", "name", "layout", "classes"), LAYOUTS)
def test_an_imported_checkpoint_computes_what_the_authors_code_computes(tmp_path, golden, name, layout, classes):
    file = official(golden, layout, tmp_path / "official.pth")
    imported = import_weights(name, file, tmp_path / "ours.safetensors", classes=classes)
    file.unlink()
    network = create(name, weights=imported.path)
    case = golden_of(golden).cases[0]
    with torch.inference_mode():
        outputs = ADAPTERS[name].cases[case.name](network, {key: torch.from_numpy(x) for key, x in case.inputs.items()})
    compared = [wanted for wanted in case.expected if wanted.name in outputs]
    assert compared
    assert all(wanted.deviation(outputs[wanted.name].numpy()) <= wanted.allowed for wanted in compared)
    assert imported.card.classes == card_of(name, **imported.card.options).classes or classes
    assert read_card(imported.path.with_suffix(".json")).sha256


@pytest.fixture(scope="module")
def light(tmp_path_factory) -> dict[str, Tensor]:
    """The tensors of a small network, as its authors call them."""
    return {name: torch.from_numpy(x) for name, x in read_golden(FOLDER / "efficientface-scaled").tensors.items()}


@pytest.fixture
def file(tmp_path, light) -> Path:
    torch.save(parallel(light), tmp_path / "official.pth.tar")
    return tmp_path / "official.pth.tar"


def test_a_pipeline_reads_a_checkpoint_of_the_authors(file):
    card = locate("efficientface", str(file))[1]
    assert card.classes[:3] == ["neutral", "happiness", "sadness"]
    assert card.features == 1024


def test_tensors_alone_in_a_safetensors_are_read_too(tmp_path, light):
    from safetensors.torch import save_file

    save_file(light, tmp_path / "f.safetensors")
    network = create("efficientface", num_classes=7, weights=tmp_path / "f.safetensors")
    same = [t for t in network.state_dict().values() if t.shape == light["fc.weight"].shape]
    assert any(torch.equal(t, light["fc.weight"]) for t in same)


def test_another_number_of_classes_raises_an_error(tmp_path, file):
    with pytest.raises(WeightsError, match="has 7 classes, not 8"):
        import_weights("efficientface", file, tmp_path / "o.safetensors", count=8)
    with pytest.raises(ConfigError, match="has 7 classes, not 8"):
        create("efficientface", num_classes=8, weights=file)


def test_a_file_of_another_network_raises_an_error_with_its_tensor_names(tmp_path, file):
    message = r"does not fit dan: tensors \d+ missing \(.*heads\.0\..*\); \d+ not known \(.*conv1\.0\.weight"
    with pytest.raises(WeightsError, match=message):
        import_weights("dan", file, tmp_path / "o.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("conv1.1.weight"), r"1 missing \(conv1\.1\.weight\)$"),
        (lambda t: t.update(extra=torch.ones(1)), r"1 not known \(extra\)$"),
        (lambda t: t.update({"conv1.0.weight": torch.ones(29, 3, 5, 5)}), r"1 of another shape \(conv1\.0\.weight \("),
    ],
    ids=["missing", "extra", "misshapen"],
)
def test_tensors_that_do_not_fit_are_listed_by_name(tmp_path, light, change, message):
    tensors = dict(light)
    change(tensors)
    torch.save(parallel(tensors), tmp_path / "f.pth")
    with pytest.raises(WeightsError, match=message):
        import_weights("efficientface", tmp_path / "f.pth", tmp_path / "o.safetensors")
    assert not (tmp_path / "o.safetensors").exists()


def test_an_unproven_class_order_must_be_chosen(tmp_path, light):
    eight = {
        name: tensor if not name.startswith("fc.") else torch.cat([tensor, tensor[:1]])
        for name, tensor in light.items()
    }
    torch.save(parallel(eight), tmp_path / "f.pth")
    with pytest.raises(ConfigError, match=r"order of the 8 classes .* not proven; choose --classes affectnet_8"):
        import_weights("efficientface", tmp_path / "f.pth", tmp_path / "o.safetensors")
    imported = import_weights("efficientface", tmp_path / "f.pth", tmp_path / "o.safetensors", classes="affectnet_8")
    assert imported.card.classes[7] == "contempt"


def test_an_assumed_order_is_noted(tmp_path):
    torch.manual_seed(0)
    torch.save(dan(create("dan", num_classes=7).state_dict()), tmp_path / "f.pth")
    imported = import_weights("dan", tmp_path / "f.pth", tmp_path / "o.safetensors")
    assert imported.card.assumed
    assert any("is assumed; else choose" in note for note in imported.notes)
    imported = import_weights("dan", tmp_path / "f.pth", tmp_path / "p.safetensors", classes="raf_db")
    assert (imported.card.assumed, imported.card.classes[0], imported.notes) == ("", "surprise", [])


def test_an_imported_file_is_not_imported_again(tmp_path):
    network = create("efficientface", num_classes=7)
    torch.save(network.state_dict(), tmp_path / "f.pth")
    names = "anger,disgust,fear,happiness,neutral,sadness,surprise"
    imported = import_weights("efficientface", tmp_path / "f.pth", tmp_path / "o.safetensors", classes=names)
    with pytest.raises(ConfigError, match=r"o\.safetensors is imported already, .*o\.json is its card"):
        import_weights("efficientface", imported.path, imported.path)
    imported.path.with_suffix(".json").write_text("{}")  # of another program
    assert import_weights("efficientface", imported.path, tmp_path / "p.safetensors").card.classes


def test_the_command_writes_the_file_and_prints_its_path(avfer, tmp_path, file):
    output = tmp_path / "o.safetensors"
    result = avfer("models", "import", "efficientface", file, "--output", output, "--num-classes", "7")
    assert (result.code, result.out.strip()) == (0, str(output))
    assert "classes: neutral, happiness" in result.err
    again = avfer("models", "import", "efficientface", file, "--output", output)
    assert again.code == 2 and "exists; give another name with --output, or --overwrite" in again.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", "FILE", "--output", "o.safetensors"), "unknown model 'nothing'"),
        (("dan", "nowhere.pth", "--output", "o.safetensors"), "nowhere.pth: no such file"),
        (("dan", "FILE", "--output", "o.pth"), "weights are written as .safetensors"),
        (("efficientface", "FILE", "--output", "o.safetensors", "--classes", "a,b"), "2 names, but the file has 7"),
        (("efficientface", "FILE", "--output", "o.safetensors", "--num-classes", "8"), "has 7 classes, not 8"),
    ],
)
def test_an_impossible_import_exits_with_a_message(avfer, file, arguments, message):
    result = avfer("models", "import", *(str(file) if a == "FILE" else a for a in arguments))
    assert result.code == 2 and message in result.err and "Traceback" not in result.err


def test_verify_prints_the_largest_deviation(avfer):
    result = avfer("models", "verify", "psr", FOLDER / "psr-rafdb-7")
    assert result.code == 0
    assert "10 outputs within the tolerance; largest deviation" in result.out


@pytest.mark.slow
def test_verify_fails_where_a_network_differs(avfer, tmp_path):
    manifest = json.loads((FOLDER / "psr-rafdb-7" / "manifest.json").read_text())
    manifest["fill"]["rescale"][0]["factor"] = 0.2
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "golden.npz").write_bytes((FOLDER / "psr-rafdb-7" / "golden.npz").read_bytes())
    result = avfer("models", "verify", "psr", tmp_path)
    assert result.code == 3 and " of 10 outputs outside the tolerance; largest deviation" in result.out


def test_verify_refuses_a_folder_that_is_no_golden(avfer, tmp_path):
    result = avfer("models", "verify", "psr", tmp_path)
    assert result.code == 2 and "not a golden folder" in result.err


def test_arrays_of_tensorflow_are_read(tmp_path):
    np.savez(tmp_path / "f.npz", nonsense=np.zeros(3))
    with pytest.raises(WeightsError, match="does not fit affwildnet_vgg_gru: tensors"):
        import_weights("affwildnet_vgg_gru", tmp_path / "f.npz", tmp_path / "o.safetensors")
