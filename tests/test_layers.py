"""The layers of the package: a part may import the layers listed before its own, its own layer, and no later one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.audit import Findings, audit

PACKAGE = Path(__file__).parents[1] / "avfer"
LAYERS = (
    # "avfer" is avfer/__init__.py, read for the version.
    {"avfer", "errors", "allowed_imports", "configurations", "local_paths", "option_types", "yaml_reader", "garbage"}
    | {"signal", "prefetch", "picture_files", "arrow_columns", "cores", "torch_threads", "listing_console", "devices"},
    {
        "atomic",
        "baseline",
        "catalog",
        "catalog_requirements",
        "detector",
        "speech_detector",
        "metrics",
        "null_reasons",
        "provenance",
        "types",
        "rows",
        "segments",
        "container",
        "media",
    },
    {"models", "losses", "readers"},
    {"stage", "datasets", "codings"},
    {"affect_track", "face_measures", "goldens", "track_rows"},
    {"stages"},
    {"clip_sources", "pipeline_config", "pipeline_builder", "provenance_comparison", "pipeline", "spans"},
    {"export"},
    {
        "inputs",
        "manifest",
        "remote",
        "jobs",
        "kept_files",
        "landmark_tables",
        "output_names",
        "sound_files",
        "progress",
        "clip_progress",
        "clip_warnings",
    }
    | {"listed_models", "model_details", "pipeline_listing", "doctor", "executors"},
    {"labelling"},
    {"evaluation"},
    {"training"},
    {"cli"},
    {"__main__"},
)
PARTS = sorted(path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())
# AffectTrack.save and .plot import the writers when they are called, Pipeline.run the display of its progress.
ALLOWED = {("affect_track", "export"), ("pipeline", "progress")}
LAZY = "__init__"  # imports the public names at their first use


def layer_of(part: str) -> int:
    for number, names in enumerate(LAYERS):
        if part in names:
            return number
    pytest.fail(f"avfer/{part} is in no layer: add it to LAYERS in tests/test_layers.py")


def imported(path: Path) -> Iterator[str]:
    """Yield the parts of avfer that a file imports, inside functions too, but not under TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = node.module == "avfer"
            names = [f"avfer.{alias.name}" for alias in node.names] if whole else [node.module]
        for name in names:
            head, _, rest = name.partition(".")
            part = rest.split(".")[0]
            if head == "avfer":
                yield part if part in PARTS else "avfer"


@pytest.mark.parametrize("part", [part for part in PARTS if part != LAZY])
def test_no_part_imports_a_later_layer(part):
    here = PACKAGE / part
    for path in sorted(here.rglob("*.py")) if here.is_dir() else [here.with_suffix(".py")]:
        for other in imported(path):
            fine = layer_of(other) <= layer_of(part) or (part, other) in ALLOWED
            assert fine, f"{path.relative_to(PACKAGE)} imports avfer.{other}, which is in a later layer"


NETWORKS = [path for folder in (PACKAGE / "models").iterdir() if folder.is_dir() for path in folder.glob("*.py")]


@pytest.mark.parametrize("path", sorted(NETWORKS), ids=lambda path: path.stem)
def test_networks_import_only_errors_models_and_signal(path):
    assert set(imported(path)) <= {"errors", "models", "signal"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_has_more_than_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300


def test_no_modules_import_each_other():
    found = Findings()
    audit(found, [])
    assert found.lines["import circle"] == []
