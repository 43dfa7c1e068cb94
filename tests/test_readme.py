"""What the README shows works as it stands there."""

import re
import shutil
from pathlib import Path

import pytest

from avfer.catalog import NAMES
from avfer.cli import main
from avfer.configurations import bundled
from avfer.pipeline_config import read_pipeline

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line[8:].split("#")[0].split() for line in README.splitlines() if line.startswith("$ avfer ")]


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "lecture.mp4"):
        shutil.copy(ROOT / "tests" / "data" / "demo.mp4", name)
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    exec(compile(example[1], "README.md", "exec"), {})
    assert Path("clip.parquet").exists() and Path("clip.png").exists()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_commands_exist_with_their_options(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs = words[: 2 if words[0] in {"models", "corpora", "submit"} else 1]
    monkeypatch.setattr("sys.argv", ["avfer", *verbs, "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in {0, None}
    told = capsys.readouterr().out
    assert all(word in told for word in words if word.startswith("--"))
    if verbs == ["run"]:
        assert Path(words[1]).stem in bundled("pipeline")


def test_the_pipeline_it_prints_is_the_bundled_one() -> None:
    shown = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert shown and shown[1].strip() == read_pipeline("aver").text.strip()


def test_every_stage_is_in_its_table() -> None:
    assert all(f"| `{name}` |" in README for name in NAMES["stage"])


def test_every_recipe_is_named_and_every_name_is_a_recipe() -> None:
    """`a_{b,c}` stands for `a_b` and `a_c`."""
    table = README.partition("| system | recipes in")[2].partition("\n\n")[0]
    named = set[str]()
    for text in re.findall(r"`([a-z_0-9{},]+)`", table.partition("\n")[2]):
        head, _, rest = text.partition("{")
        named |= {head + end for end in rest.rstrip("}").split(",")}
    assert named == {path.stem for path in (ROOT / "configs" / "train").glob("*.yaml")}
