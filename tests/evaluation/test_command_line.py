"""avfer evaluate and avfer submit, as a user calls them."""

import json
from pathlib import Path

import pytest

from avfer.catalog import NAMES
from avfer.configurations import bundled
from avfer.evaluation.evaluation_config import read_config
from avfer.evaluation.submission_check import HEADERS
from tests.evaluation.toy_corpus import NAME, Toy, write_truth

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "eval").glob("*.yaml"))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return write_truth(tmp_path / "tables", Toy(tmp_path))


def written(tmp_path: Path, **keys: object) -> Path:
    content = {
        "corpus": NAME,
        "root": str(tmp_path / "absent"),
        "partition": "dev",
        "predictions": "absent",
        "draws": 20,
    }
    path = tmp_path / "eval.yaml"
    path.write_text(json.dumps(content | keys))
    return path


def test_evaluate_by_options_prints_the_paths_of_the_report(avfer, tables, tmp_path):
    named = ["--corpus", NAME, "--root", tmp_path, "--partition", "dev", "--predictions", tables]
    result = avfer("evaluate", *named, "--output", tmp_path / "out", "--set", "draws=20")
    assert result.code == 0, result.err
    assert [path.name for path in result.paths] == ["report.json", "report.md", "report.html"]
    assert all(path.stat().st_size > 1000 for path in result.paths)
    assert "valence, CCC" in result.err and "1.0000" in result.err and "0 by the delay" in result.err


def test_options_replace_the_values_of_a_configuration(avfer, tables, tmp_path):
    config = written(tmp_path, pipeline=None, options={"gap": 5})
    named = ["--root", tmp_path, "--predictions", tables, "--output", tmp_path / "out"]
    result = avfer("evaluate", config, *named, "--set", "options.by=frame", "--set", "delay.valence=0.4", "--json")
    assert result.code == 0, result.err
    printed = json.loads(result.out)
    assert printed["headline"]["ccc_arousal"] == 1.0 > printed["headline"]["ccc_valence"]
    facts = json.loads(Path(printed["outputs"][0]).read_text())["facts"]
    assert "gap: 5; by: frame" in facts["labels"]


def test_an_existing_report_is_replaced(avfer, tables, tmp_path):
    config = written(tmp_path, root=str(tmp_path), predictions=str(tables), output=str(tmp_path / "out"))
    for convention in ("population", "sample"):
        assert avfer("evaluate", config, "--set", f"convention={convention}", "--quiet").err == ""
    assert json.loads((tmp_path / "out" / "report.json").read_text())["facts"]["CCC"].startswith("sample")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing --corpus, --root, --partition, or a CONFIG; see avfer evaluate --help"),
        (["absent.yaml"], "no evaluation at absent.yaml"),
        (["{config}", "--partition", "validation"], "partition: must be 'train', 'dev' or 'test', got 'validation'"),
        (["{config}", "--pipeline", "aver", "--model", "aver_lite"], "not pipeline and model"),
        (["{config}"], "no folder with predictions at absent"),
        (["{config}", "--set", "delay.valance=1"], "delay.valance: must be 'valence' or 'arousal', got 'valance' ("),
        (["{config}", "--pipeline", "avre"], "did you mean 'aver'?"),
        (["{config}", "--corpus", "recola", "--root", "{root}"], "is empty; give the folder"),
    ],
)
def test_wrong_usage_of_evaluate_is_exit_2(avfer, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    places = {"config": written(tmp_path), "root": tmp_path / "empty"}
    result = avfer("evaluate", *(argument.format(**places) for argument in arguments), "--output", tmp_path / "out")
    assert result.code == 2
    assert message in result.err and "Traceback" not in result.err
    assert result.out == ""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_bundled_configuration_is_valid(path):
    config = read_config(path)
    assert config.corpus in NAMES["corpus"]
    assert config.pipeline in {None, *bundled("pipeline")} and config.model in {None, *NAMES["backbone"]}
    root = next(line for line in path.read_text().splitlines() if line.startswith("root:"))
    assert "the only line to change" in root


def test_another_source_of_predictions_replaces_the_settings_of_the_one_in_the_file(tmp_path):
    keys = {"corpus": "table", "root": ".", "partition": "dev"}
    piped, pictured = ({"pipeline": "vision", "settings": {"chunk": 1}}, {"model": "aver_lite", "weights": "x.pth"})
    config = read_config(written(tmp_path, **keys, **piped), {"predictions": "tables"})
    assert (config.sources, config.settings) == (["predictions"], {})
    assert read_config(written(tmp_path, **keys, **pictured), {"pipeline": "vision"}).weights == "builtin"
    assert read_config(written(tmp_path, **keys, **piped), {"pipeline": "aver"}).settings == {"chunk": 1}


def test_all_promised_configurations_exist():
    names = {"recola", "aff_wild2", "aff_wild2_expr", "aff_wild2_au", "ferplus"}
    assert names <= {path.stem for path in CONFIGS}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.txt"
    path.write_text("\n".join([",".join(HEADERS["va"]), *(f"dev_1/{i:05d}.jpg,-5,-5" for i in (1, 2, 3))]) + "\n")
    return path


def test_a_written_submission_has_no_faults(avfer, tables, sample, tmp_path):
    out = tmp_path / "va.txt"
    result = avfer("submit", "write", "--task", "va", "--example", sample, "--predictions", tables, "--output", out)
    assert (result.code, result.paths) == (0, [out])
    assert "3 rows" in result.err
    assert avfer("submit", "check", "--task", "va", "--example", sample, out).code == 0
    again = avfer("submit", "write", "--task", "va", "--example", sample, "--predictions", tables, "--output", out)
    assert again.code == 2 and "--overwrite" in again.err


def test_faults_of_a_submission_are_listed_with_their_lines_and_exit_3(avfer, sample, tmp_path):
    path = tmp_path / "va.txt"
    path.write_text("image_location,valence,arousal\ndev_1/00001.jpg,nan,0\ndev_1/00002.jpg,0.1,1.5\n")
    result = avfer("submit", "check", "--task", "va", "--example", sample, path)
    assert result.code == 3
    assert result.out.splitlines() == [
        f"{path}, line 2: nan is not finite",
        f"{path}, line 3: 1.5 lies outside [-1, 1]",
        f"{path}: dev_1/00003.jpg is missing",
    ]
    assert "3 faults" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["write", "--task", "mtl", "--example", "x", "--predictions", ".", "--output", "y"], "mtl"),
        (["write", "--task", "va", "--example", "{sample}", "--predictions", "absent", "--output", "y"], "no folder"),
        (
            ["write", "--task", "au", "--example", "{sample}", "--predictions", ".", "--output", "y"],
            "not a sample file of task au",
        ),
        (["check", "--task", "va", "--example", "{sample}", "absent.txt"], "absent.txt cannot be read"),
    ],
)
def test_wrong_usage_of_submit_is_exit_2(avfer, sample, arguments, message):
    result = avfer("submit", *(argument.format(sample=sample) for argument in arguments))
    assert result.code == 2
    assert message in result.err and "Traceback" not in result.err


def test_the_protocol_and_published_rows_are_printed_beside_the_score(avfer, tables, tmp_path):
    config = written(tmp_path, root=str(tmp_path), predictions=str(tables), options={"called": "aff_wild2"})
    printed = avfer("evaluate", config, "--output", tmp_path / "out").err
    assert "CCC: population: covariance and variances are divided by n" in printed
    assert "P 0.5100  EmotiEffLib frame model [B]" in printed
    assert "ABAW5" not in printed
