"""The README files agree with the package: examples run, commands exist, tables list every name."""

import re
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from avfer.catalog import MODEL_KINDS, NAMES, find
from avfer.cli import main
from avfer.configurations import bundled
from avfer.models.card_files import BUILTIN
from avfer.pipeline_config import read_pipeline

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODELS = (ROOT / "avfer" / "models" / "README.md").read_text(encoding="utf-8")
PAGES = {  # all README files of the project: path -> text
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in (".", "avfer/models", "configs", "pipelines", "tools")
    for path in (ROOT / folder).glob("README.md")
}
COMMANDS = [
    line[8:].split("#")[0].split()
    for text in PAGES.values()
    for line in text.splitlines()
    if line.startswith("$ avfer ")
]


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "lecture.mp4"):
        shutil.copy(ROOT / "tests" / "data" / "demo.mp4", name)
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    exec(compile(example[1], "README.md", "exec"), {})
    assert Path("clip.parquet").exists() and Path("clip.png").exists()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_exists_with_its_options(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs = words[: 2 if words[0] in {"models", "corpora", "submit", "pipelines"} else 1]
    monkeypatch.setattr("sys.argv", ["avfer", *verbs, "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in {0, None}
    help_text = capsys.readouterr().out
    assert all(word in help_text for word in words if word.startswith("--"))
    if verbs == ["run"]:
        assert Path(words[1]).stem in bundled("pipeline")


def test_the_printed_pipeline_is_the_bundled_one() -> None:
    blocks = [block.strip() for text in PAGES.values() for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert read_pipeline("aver").text.strip() in blocks


def test_a_table_lists_every_stage() -> None:
    assert all(any(f"| `{name}` |" in text for text in PAGES.values()) for name in NAMES["stage"])


@pytest.mark.parametrize("name", NAMES["stage"])
def test_the_row_of_a_stage_names_its_options_with_the_default_of_each_number(name: str) -> None:
    row = next(line for line in PAGES["pipelines/README.md"].splitlines() if line.startswith(f"| `{name}` |"))
    for option in (field for field in fields(find("stage", name)) if field.init):
        named, _, rest = row.partition(f"`{option.name}`")
        assert rest or named != row, option.name
        default = re.match(r"[^`,;]*?\((\d[\d.]*)\)", rest)
        assert default is None or float(default[1]) == option.default, option.name


def test_every_tool_that_a_page_names_exists() -> None:
    for text in PAGES.values():
        for module in re.findall(r"python -m (tools[\w.]*)", text):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
        for script in re.findall(r"(?:python |^\$ |`)(tools/[\w./]+)", text, re.MULTILINE):
            assert (ROOT / script).exists(), script


def test_the_table_of_systems_lists_every_model_without_embedded_weights() -> None:
    embedded = {path.stem for path in BUILTIN.glob("*.json")}
    rows = re.findall(r"^\| `(\w+)` \|", MODELS, re.MULTILINE)
    assert sorted(rows) == sorted(name for kind in MODEL_KINDS for name in NAMES[kind] if name not in embedded)


def test_a_table_lists_every_recipe_and_nothing_else() -> None:
    """`a_{b,c}` is short for `a_b` and `a_c`."""
    pages = [text for text in PAGES.values() if "| system | recipes in" in text]
    table = pages[0].partition("| system | recipes in")[2].partition("\n\n")[0]
    named = set[str]()
    for text in re.findall(r"`([a-z_0-9{},]+)`", table.partition("\n")[2]):
        head, _, rest = text.partition("{")
        named |= {head + end for end in rest.rstrip("}").split(",")}
    assert named == {path.stem for path in (ROOT / "configs" / "train").glob("*.yaml")}
