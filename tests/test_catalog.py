"""Names from outside avfer: what may be imported, and what a class must be before it is used."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from avfer.allowed_imports import check_import
from avfer.catalog import NAMES, find, kind_of
from avfer.catalog_requirements import REQUIREMENTS
from avfer.datasets.corpus import open_corpus
from avfer.datasets.example import Corpus
from avfer.errors import ConfigError
from avfer.export import find_exporter, find_format
from avfer.losses.network_loss import NetworkLoss
from avfer.models.factory import create
from avfer.models.network import AffectModel, FaceNetwork, Network, VoiceNetwork, construct, find_network
from avfer.pipeline_builder import build
from avfer.pipeline_config import parse_pipeline
from avfer.stages.detect import DetectFaces
from avfer.training.images.image_objective import find_loss
from avfer.types import AudioBatch, Span
from tests.toy_detector import Squares

HERE = "tests.test_catalog"


class OwnModel(AffectModel):
    """An affect model from outside avfer."""


class Unannotated:
    def __call__(self, frames):
        raise AssertionError("never called")


class NeedsLabels(Corpus):
    partitions = ()

    def __init__(self, root, labels, split="all"):
        raise AssertionError("never called")

    def examples(self, partition):
        yield from ()


class WithoutMethods(Corpus):
    partitions = ()


class WithoutConstructor(WithoutMethods):
    def examples(self, partition):
        yield from ()


class NeedsTitle:
    suffix, needs_frames = ".txt", False

    def __init__(self, title):
        raise AssertionError("never called")

    def write(self, table, clip=None, path=None):
        raise AssertionError("never called")

    def close(self):
        raise AssertionError("never called")


class LossWithoutContext(NetworkLoss):
    def __init__(self):
        raise AssertionError("never called")


class DetectorOfFile(Squares):
    def __init__(self, file):
        raise AssertionError("never called")


class NeedsWidth:
    def __init__(self, width):
        raise AssertionError("never called")


class FaceNeedsWidth(NeedsWidth, FaceNetwork):
    pass


class VoiceNeedsWidth(NeedsWidth, VoiceNetwork):
    pass


class ModelNeedsWidth(NeedsWidth, AffectModel):
    pass


@dataclass(init=False)
class StageWithoutItsOption:
    hop: float = 0.2

    def __init__(self):
        raise AssertionError("never called")

    def __call__(self, span: Span) -> AudioBatch:
        raise AssertionError("never called")


STAGE = f"""\
stages:
  sound: {{use: "{HERE}:StageWithoutItsOption", from: span, hop: 0.5}}
output: sound
"""


def raise_if_called(*_: object) -> None:
    raise AssertionError("a function must not be called")


def leave_trace(folder: Path, name: str, text: str = "") -> Path:
    """Write a module that leaves a file behind when it is imported; return that file."""
    trace = folder / f"{name}.imported"
    (folder / f"{name}.py").write_text(f"open({str(trace)!r}, 'w').close()\n{text}")
    return trace


def install(folder: Path, name: str, requires: str) -> None:
    """Write the metadata of an installed package with one module."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requires}\n")
    (info / "RECORD").write_text(f"{name}.py,,\n")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("os", "standard library"),
        ("antigravity", "standard library"),
        ("test.support", "standard library"),  # not in sys.stdlib_module_names
        ("torch.hub", "belongs to the installed package torch, which does not require avfer"),
        ("pip", "belongs to the installed package pip"),
        ("avfer.__main__", "is not the name of a module"),
        ("__main__.os", "is not the name of a module"),
        ("..os", "is not the name of a module"),
        ("", "is not the name of a module"),
        ("nowhere.at", "no module 'nowhere' can be found; install it, or add its folder to PYTHONPATH"),
    ],
)
def test_modules_that_are_not_the_users_are_refused(module, message):
    with pytest.raises(ConfigError, match=message):
        check_import(module)


@pytest.mark.parametrize("module", ["avfer.models.network", "tests.toy_stages", "__main__"])
def test_avfer_and_files_of_ones_own_may_be_imported(module):
    check_import(module)


@pytest.mark.parametrize(("requires", "allowed"), [("avfer[train]>=0.1", True), ("avferno", False), ("numpy", False)])
def test_an_installed_package_may_be_imported_if_it_requires_avfer(tmp_path, monkeypatch, requires, allowed):
    name = f"plugin_{abs(hash(requires))}"
    trace = leave_trace(tmp_path, name, "class Net: pass")
    install(tmp_path, name, requires)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("avfer.allowed_imports.site.getsitepackages", lambda: [str(tmp_path)])
    with pytest.raises(ConfigError, match="must be a subclass" if allowed else "does not require avfer"):
        find("backbone", f"{name}:Net")
    assert trace.exists() == allowed


@pytest.mark.parametrize("text", ["AVFER>=0.1", "Avfer[ray]"])
def test_a_requirement_of_avfer_may_be_written_in_any_case(tmp_path, monkeypatch, text):
    install(tmp_path, "plugin_case", text)
    leave_trace(tmp_path, "plugin_case")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("avfer.allowed_imports.site.getsitepackages", lambda: [str(tmp_path)])
    check_import("plugin_case")


def test_a_namespace_that_a_stranger_shares_may_not_be_imported(tmp_path, monkeypatch):
    """Two installed packages have modules in one namespace; only one of them requires avfer."""
    for name, requires in (("plugin_ours", "avfer"), ("plugin_theirs", "numpy")):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requires}\n"
        )
        (info / "RECORD").write_text(f"plugin_shared/{name}.py,,\n")
    (tmp_path / "plugin_shared").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("avfer.allowed_imports.site.getsitepackages", lambda: [str(tmp_path)])
    with pytest.raises(ConfigError, match="which does not require avfer"):
        check_import("plugin_shared.plugin_ours")


@pytest.mark.parametrize("place", ["site", "user site", "link"])
def test_an_installed_module_of_no_package_may_not_be_imported(tmp_path, monkeypatch, place):
    """It lies in a folder of installed packages, or a link of the user leads there."""
    (tmp_path / "installed").mkdir()
    leave_trace(tmp_path / "installed", "plugin_lost")
    (tmp_path / "plugin_lost.py").symlink_to(tmp_path / "installed" / "plugin_lost.py")
    monkeypatch.syspath_prepend(tmp_path if place == "link" else tmp_path / "installed")
    folders = str(tmp_path / "installed"), str(tmp_path / "none")
    site, user = reversed(folders) if place == "user site" else folders
    monkeypatch.setattr("avfer.allowed_imports.site.getsitepackages", lambda: [site])
    monkeypatch.setattr("avfer.allowed_imports.site.getusersitepackages", lambda: user)
    with pytest.raises(ConfigError, match="belongs to no installed package, which does not require avfer"):
        check_import("plugin_lost")


def test_a_namespace_that_is_installed_in_part_may_not_be_imported(tmp_path, monkeypatch):
    """A folder of the user has the name of an installed package, which Python joins to one namespace."""
    for place in ("mine", "installed"):
        (tmp_path / place / "plugin_joined").mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / place)
    monkeypatch.setattr("avfer.allowed_imports.site.getsitepackages", lambda: [str(tmp_path / "installed")])
    with pytest.raises(ConfigError, match="belongs to no installed package"):
        check_import("plugin_joined.stages")


@pytest.mark.parametrize("kind", sorted(NAMES))
@pytest.mark.parametrize("name", [f"{HERE}:raise_if_called", f"{HERE}:HERE", f"{HERE}:Unannotated", "avfer:load"])
def test_an_object_of_another_kind_is_refused_before_it_is_called(kind, name):
    with pytest.raises(ConfigError, match=f"'{name}' cannot be used as {kind}: it must be "):
        find(kind, name)


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_a_function_of_the_standard_library_is_no_class_of_any_kind(kind):
    with pytest.raises(ConfigError, match=f"{kind} 'os:system': 'os' is part of Python's standard library"):
        find(kind, "os:system")


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_every_built_in_class_meets_the_requirement_of_its_kind(kind):
    for place in NAMES[kind].values():
        assert find(kind, place) is find(kind, next(name for name, other in NAMES[kind].items() if other == place))


def test_every_kind_has_a_requirement():
    assert set(NAMES) <= set(REQUIREMENTS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: open_corpus(f"{HERE}:NeedsLabels", "."),
            r"corpus '.*' cannot be created by NeedsLabels\(root\): missing a required argument: 'labels'; its"
            r" constructor is NeedsLabels\(root, labels, split='all'\)",
        ),
        (lambda: open_corpus(f"{HERE}:WithoutConstructor", "."), r"WithoutConstructor\(root\): too many positional"),
        (
            lambda: find_format(f"{HERE}:NeedsTitle"),
            r"format '.*' cannot be created by NeedsTitle\(file, schema\): too",
        ),
        (lambda: find_exporter(f"{HERE}:NeedsTitle"), r"exporter '.*' cannot be created by NeedsTitle\(\): missing"),
        (lambda: find_loss(f"{HERE}:LossWithoutContext"), r"loss '.*' cannot be created by .*\(context\): too many"),
        (lambda: DetectFaces(f"{HERE}:DetectorOfFile"), r"detector '.*' cannot be created by .*\(\): missing.* 'file'"),
        (lambda: create(f"{HERE}:FaceNeedsWidth"), r"network '.*' cannot be created by .*\(\): missing.* 'width'"),
        (lambda: create(f"{HERE}:VoiceNeedsWidth"), r"network '.*' cannot be created by .*\(\): missing.* 'width'"),
        (lambda: construct(f"{HERE}:ModelNeedsWidth", AffectModel, {"size": 1}), r"\(size=...\): missing.* 'width'"),
        (
            lambda: build(parse_pipeline(STAGE, "x.yaml")),
            r"stages.sound: stage '.*\(hop=...\): got an.*\(x.yaml, line 2\)",
        ),
    ],
)
def test_a_class_whose_constructor_takes_other_arguments_is_refused_before_it_is_called(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_corpus_without_all_its_methods_is_refused():
    with pytest.raises(ConfigError, match="with all its methods; the class WithoutMethods lacks examples"):
        open_corpus(f"{HERE}:WithoutMethods", ".")


def test_a_dot_in_place_of_the_colon_is_corrected():
    for call in (lambda name: find("corpus", name), kind_of):
        with pytest.raises(ConfigError, match=r"unknown (corpus|model) 'a\.b\.C'; did you mean 'a\.b:C'"):
            call("a.b.C")


def test_a_class_of_the_right_kind_is_found():
    assert find("affect model", f"{HERE}:OwnModel") is OwnModel
    assert find_network(f"{HERE}:OwnModel", Network) is OwnModel


class FacesOverTime(FaceNetwork, AffectModel):
    """A network that reads faces and predicts affect over time."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("FaceNeedsWidth", "backbone"),
        ("VoiceNeedsWidth", "voice backbone"),
        ("OwnModel", "affect model"),
        ("FacesOverTime", "video model"),
    ],
)
def test_the_kind_of_a_network_from_outside_is_that_of_its_base_class(name, kind):
    assert kind_of(f"{HERE}:{name}") == kind


@pytest.mark.parametrize("text", ["raise RuntimeError('broken')", "import sys; sys.exit(0)", "class"])
def test_a_module_that_fails_at_its_import_is_a_config_error(tmp_path, monkeypatch, text):
    name = f"broken_{len(text)}"
    leave_trace(tmp_path, name, text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=f"stage '{name}:Net' cannot be imported"):
        find("stage", f"{name}:Net")
    sys.modules.pop(name, None)
