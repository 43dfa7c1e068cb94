"""The wheel, the embedded weights and the scripts of the repository."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.mark.parametrize(
    "folder", ["pipelines", "avfer/builtin", "avfer/export/clip_report", "avfer/export/clip_report/uplot"]
)
def test_the_wheel_contains_every_file_of(wheel, folder):
    inside = folder if folder.startswith("avfer/") else f"avfer/{folder}"
    wanted = {f"{inside}/{path.name}" for path in (ROOT / folder).iterdir() if path.is_file()}
    assert wanted and wanted <= set(wheel.namelist())


def test_the_wheel_contains_every_recipe_and_protocol(wheel):
    wanted = {f"avfer/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert wanted and wanted <= set(wheel.namelist())


def test_the_wheel_contains_the_package_and_its_licence_only(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"avfer", next(top for top in tops if top.endswith(".dist-info"))}
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert "avfer/export/page.css" in wheel.namelist()


def test_the_wheel_states_that_it_is_typed_and_carries_the_licence_of_uplot(wheel):
    assert "avfer/py.typed" in wheel.namelist()
    assert any(name.endswith("licenses/avfer/export/clip_report/uplot/LICENSE.txt") for name in wheel.namelist())


def test_the_licence_notes_name_every_weight_file():
    notes = (ROOT / "LICENSE").read_text()
    for path in (ROOT / "avfer" / "builtin").glob("*.safetensors"):
        assert path.stem in notes


def test_the_embedded_weights_stay_small():
    assert sum(path.stat().st_size for path in (ROOT / "avfer" / "builtin").iterdir()) < 14_000_000


@pytest.mark.parametrize("name", ["demo", "test", "check", "install"])
def test_scripts_are_executable_and_valid_bash(name):
    path = ROOT / "tools" / name
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(path)]).returncode == 0


def test_continuous_integration_and_pre_commit_call_the_scripts_of_the_repository():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text())
    assert ".ci/run" in [step.get("run") for step in workflow["jobs"]["checks"]["steps"]]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["tools/check"]
