"""Weights: located, checked against their card, loaded strictly; no code in a file is run."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from avfer import create
from avfer.errors import AvferError, ConfigError, WeightsError
from avfer.models.backbones.aver_lite import AverLite
from avfer.models.card import Card
from avfer.models.card_files import BUILTIN, builtin_card
from avfer.models.checkpoint_import import import_weights
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import card_of, load_into, locate, save, sha256
from avfer.pipeline import load

FREE = ["aver_lite", "voice_lite", "prosody", "prosody_pitch", "gru_lite", "linear_lite"]
RESEARCH = ["vggish_lite", "voice_lite.research", "gru_lite.research"]
BUILT_IN = BUILTIN / "aver_lite.safetensors"


class Bomb:
    """Runs code when it is unpickled by a loader that trusts the file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('bomb_went_off').touch()",)


@pytest.mark.parametrize("name", FREE + RESEARCH)
def test_embedded_weights_match_their_cards(name: str) -> None:
    card = builtin_card(name)
    assert card.sha256 == sha256(BUILTIN / f"{name}.safetensors")
    assert card.task and card.description and card.data and card.licence_weights and card.metrics
    assert card.commercial == (name in FREE)
    assert ("non-commercial" in card.licence_weights) == (name in RESEARCH)


def test_embedded_weights_take_fourteen_megabytes_at_most() -> None:
    assert sum(path.stat().st_size for path in BUILTIN.glob("*.safetensors")) <= 14_000_000


def test_weights_for_research_have_files_of_their_own() -> None:
    path, card = locate("gru_lite", "research")
    assert path.name == "gru_lite.research.safetensors" and card.name == "gru_lite"
    assert card.inputs["voice"] == locate("voice_lite", "research")[1].features
    with pytest.raises(WeightsError, match="aver_lite has no research weights in this package; set weights: builtin"):
        locate("aver_lite", "research")


def test_the_face_network_has_three_million_parameters_at_most_and_84_percent_accuracy() -> None:
    network = create("aver_lite", weights="builtin")
    assert sum(p.numel() for p in network.parameters()) <= 3_000_000
    accuracy = next(m for m in builtin_card("aver_lite").metrics if m.name == "accuracy")
    assert accuracy.value >= 0.84 and "3137" in accuracy.protocol


def test_saved_weights_load_again(tmp_path: Path) -> None:
    model, card = AverLite(widths=(8, 8, 8, 8)), Card(name="aver_lite", task="t", description="d")
    path = save(model, card, tmp_path / "aver_lite.safetensors")
    found, card = locate("aver_lite", str(path))
    other = AverLite(widths=(8, 8, 8, 8))
    load_into(other, found, card)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_weights_of_another_model_are_refused_by_their_card(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds weights of aver_lite, not of gru_lite"):
        locate("gru_lite", str(save(AverLite(), builtin_card("aver_lite"), tmp_path / "aver_lite.safetensors")))


def with_card(tensors: dict[str, torch.Tensor], path: Path) -> Path:
    """Write tensors and the card of aver_lite beside them; return the path."""
    save_file(tensors, path)
    card = builtin_card("aver_lite").model_copy(update={"sha256": None})
    path.with_suffix(".json").write_text(card.model_dump_json())
    return path


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    tensors = load_file(BUILT_IN)
    tensors["new.weight"] = tensors.pop("stem.0.weight")
    tensors["expression.bias"] = torch.zeros(7)
    path = with_card(tensors, tmp_path / "f.safetensors")
    with pytest.raises(
        WeightsError, match=r"1 missing \(stem.0.weight\); 1 not known \(new.weight\); 1 of another shape"
    ):
        load_into(AverLite(), *locate("aver_lite", str(path)))


def test_a_file_of_another_network_is_said_to_be_one(tmp_path: Path) -> None:
    torch.save(create("efficientface").state_dict(), tmp_path / "f.pth")
    hint = "; the file seems to be of another network, or to name its tensors otherwise"
    with pytest.raises(WeightsError, match=f"does not fit dan: tensors .*{hint}$"):
        create("dan", weights=tmp_path / "f.pth")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_with_a_non_finite_value_are_refused(tmp_path: Path, value: float) -> None:
    tensors = load_file(BUILT_IN)
    tensors["stem.0.weight"][0, 0, 0, 0] = value
    path = with_card(tensors, tmp_path / "f.safetensors")
    with pytest.raises(WeightsError, match=r"1 with NaN or infinite values \(stem.0.weight\)"):
        create("aver_lite", weights=path)


@pytest.mark.parametrize("size", [0, 5, 1000, -1])
def test_a_truncated_file_raises_an_error(tmp_path: Path, size: int) -> None:
    path = tmp_path / "f.safetensors"
    path.write_bytes(BUILT_IN.read_bytes()[:size])
    with pytest.raises(WeightsError, match=r"f\.safetensors: damaged (safetensors|weight) file"):
        load_into(AverLite(), *locate("aver_lite", str(path)))


def test_a_file_changed_after_its_card_was_written_raises_an_error(tmp_path: Path) -> None:
    path = save(AverLite(), builtin_card("aver_lite"), tmp_path / "aver_lite.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="the sha256 differs from the one on its card"):
        load_into(AverLite(), *locate("aver_lite", str(path)))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"w": Bomb()}, path) if how == "torch" else path.write_bytes(pickle.dumps({"w": Bomb()}))
    with pytest.raises(WeightsError, match=r"evil\.pth is refused"):
        load("vision", device="cpu", **{"look.weights": str(path)})
    assert not Path("bomb_went_off").exists()


@pytest.mark.parametrize("content", [{"state_dict": {"a": torch.ones(2)}}, {"a": torch.ones(2)}])
def test_a_pth_with_tensors_alone_is_read(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "f.pth")
    assert torch.equal(read_tensors(tmp_path / "f.pth")["a"], torch.ones(2))


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04broken"])
def test_a_file_that_is_no_checkpoint_raises_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"f\.pth"):
        read_tensors(tmp_path / "f.pth")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "the file is empty"),
        (b"\n<!DOCTYPE html><title>Google Drive</title>", "the file is a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "the file is a pointer of Git LFS"),
    ],
)
@pytest.mark.parametrize("ending", ["pth", "safetensors", "npz"])
def test_what_lies_in_place_of_weights_is_named(tmp_path: Path, content: bytes, found: str, ending: str) -> None:
    path = tmp_path / f"f.{ending}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"f\.{ending}: damaged weight file: {found}.*; download it again"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (torch.nn.Linear(2, 2), r"but an object of torch\.nn\.modules\.linear\.Linear; save the state_dict\(\)"),
        ({"net": {"a": torch.ones(2)}}, r"'net' is of type dict; save .*keys state_dict, model_state_dict, model$"),
        ({}, "but an empty one; save"),
    ],
)
def test_a_file_without_a_table_of_tensors_is_refused_with_a_way_out(
    tmp_path: Path, content: object, problem: str
) -> None:
    torch.save(content, tmp_path / "f.pth")
    with pytest.raises(WeightsError, match=f"holds no table of tensors.*{problem}"):
        read_tensors(tmp_path / "f.pth")


def test_a_file_that_cannot_be_opened_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"f\.pth cannot be read: No such file"):
        read_tensors(tmp_path / "f.pth")


@pytest.mark.parametrize(
    ("weights", "message"),
    [("nowhere.pth", "nowhere.pth: no such weight file"), ("https://x.invalid/f.pth", "needs its sha256")],
)
def test_missing_weights_raise_an_error(weights: str, message: str) -> None:
    with pytest.raises(AvferError, match=message):
        load("vision", device="cpu", **{"look.weights": weights})


def test_a_card_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    path = save(AverLite(), builtin_card("aver_lite"), tmp_path / "aver_lite.safetensors")
    card = json.loads(path.with_suffix(".json").read_text()) | {"flavour": "rgb"}
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="no readable card"):
        locate("aver_lite", str(path))


def test_a_checkpoint_beside_a_weight_file_of_the_same_name_keeps_its_own_card(tmp_path):
    network = create("efficientface")
    torch.save(network.state_dict(), tmp_path / "face.pth")
    save(create("efficientface"), card_of("efficientface"), tmp_path / "face.safetensors")
    path, card = locate("efficientface", str(tmp_path / "face.pth"))
    assert card.sha256 is None
    load_into(network, path, card)


@pytest.mark.parametrize("name", ["aver_lite", "gru_lite", "tests.toy_networks:WithoutCard"])
def test_weights_that_only_their_card_describes_are_refused_without_it(tmp_path: Path, name: str) -> None:
    save_file({"scale": torch.ones(1)}, tmp_path / "f.safetensors")
    message = rf"f\.safetensors has no card: weights of {name} are a \.safetensors file with its card"
    with pytest.raises(WeightsError, match=message):
        locate(name, str(tmp_path / "f.safetensors"))
    with pytest.raises(WeightsError, match=message):
        import_weights(name, tmp_path / "f.safetensors", tmp_path / "g.safetensors")


def test_a_copy_of_embedded_weights_has_their_card(tmp_path: Path) -> None:
    copy = tmp_path / "f.safetensors"
    copy.write_bytes((BUILTIN / "voice_lite.research.safetensors").read_bytes())
    assert locate("voice_lite", str(copy)) == (copy, builtin_card("voice_lite.research"))


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ("CardOfAnObject", {}, r"card\(\) cannot be called: missing a required argument: 'self'.* class method"),
        ("CardWithoutOptions", {"heads": "all"}, r"card\(heads=...\) cannot be called.*its signature is card\(\)"),
        ("CardOfText", {}, r"card\(\) must return an avfer.models.card.Card or None, got str"),
        ("CardThatFails", {}, r"card\(\) failed: ValidationError"),
    ],
)
def test_a_wrong_card_method_of_an_outside_network_is_a_config_error(network, options, message):
    with pytest.raises(ConfigError, match=f"(?s)tests.toy_networks:{network}.{message}"):
        card_of(f"tests.toy_networks:{network}", **options)
