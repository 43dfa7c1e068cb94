"""Every golden: our networks compute what the published implementations compute."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.errors import ConfigError
from avfer.goldens.adapters import verify
from avfer.goldens.golden_files import ExpectedOutput, Golden, GoldenCase, read_golden
from avfer.goldens.verification import GoldenAdapter, deviations
from tests.golden import load

FOLDER = Path(__file__).parent / "golden"
MODELS = {  # golden -> name in the catalog
    "dan7": "dan",
    "dan7-scaled": "dan",
    "dan8": "dan",
    "dan8-scaled": "dan",
    "efficientface": "efficientface",
    "efficientface-ldg": "efficientface_ldg",
    "efficientface-scaled": "efficientface",
    "mae-vit-tiny-7": "pf_vit",
    "mtcnn-onet": "mtcnn",
    "mtcnn-pnet": "mtcnn",
    "mtcnn-rnet": "mtcnn",
    "poster-affectnet-8": "poster",
    "poster-rafdb-7": "poster",
    "posterpp-7": "poster_v2",
    "posterpp-8": "poster_v2",
    "psr-rafdb-7": "psr",
    "vggish": "vggish",
    "vggish-frontend": "vggish",
}
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/manifest.json"))


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.slow), 2], ids=["one thread", "two threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_golden_has_a_network():
    assert set(NAMES) == set(MODELS)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_lie_within_the_tolerance(name, threads):
    rows = verify(MODELS[name], read_golden(FOLDER / name))
    listed = [
        (case["name"], output["name"]) for case in load.manifest(FOLDER / name)["cases"] for output in case["outputs"]
    ]
    assert [(row.case, row.output) for row in rows] == listed
    assert [row for row in rows if not row.fine] == []
    assert len([row for row in rows if row.left_out]) < len(rows)


@pytest.mark.parametrize("name", NAMES)
def test_weights_and_inputs_are_those_of_the_format(name):
    """The product fills by itself; the golden's own code gives the same values."""
    golden, theirs = read_golden(FOLDER / name), load.state_dict(load.manifest(FOLDER / name))
    assert list(golden.tensors) == list(theirs)
    assert all(np.array_equal(golden.tensors[key], theirs[key]) for key in theirs)
    assert all(golden.tensors[key].dtype == theirs[key].dtype for key in theirs)
    for case, other in zip(golden.cases, load.cases(FOLDER / name), strict=True):
        assert all(np.array_equal(case.inputs[key], other.inputs[key]) for key in other.inputs)


@pytest.mark.parametrize(
    ("fault", "found"),
    [(0.0, 0.0), (0.25, 0.25), (float("nan"), float("inf"))],
    ids=["equal", "shifted", "not a number"],
)
def test_a_deviation_is_measured(fault, found):
    wanted = read_golden(FOLDER / "psr-rafdb-7").cases[0].expected[0]
    assert wanted.part == ()
    assert wanted.deviation(wanted.values.astype(float) + fault) == pytest.approx(found)
    assert wanted.deviation(wanted.values[:1]) == float("inf")


@pytest.mark.parametrize(
    ("error", "faulty", "fine"),
    [(1e-3, {torch.float32}, True), (1e-3, {torch.float32, torch.float64}, False), (0.0, set(), True)],
    ids=["rounding of float32 only", "another function", "equal"],
)
def test_an_output_outside_its_tolerance_is_computed_again_in_float64(error, faulty, fine):
    values = np.ones((1, 2), np.float32)
    expected = ExpectedOutput("y", values.shape, (), values, allowed=1e-5)
    golden = Golden("toy", {}, frozenset(), [GoldenCase("whole", {"x": values}, {}, [expected], "")])

    def run(network, inputs):
        x = network(inputs["x"])
        return {"y": x + error if x.dtype in faulty else x}

    (row,) = deviations("toy", GoldenAdapter({"whole": run}, build=lambda tensors: torch.nn.Identity()), golden)
    assert row.fine == fine
    assert row.precision == ("float64" if error else "float32")


@pytest.mark.parametrize(
    "content",
    [
        "[]", "7", "null", '"text"', "{}", '{"cases": 7}', '{"cases": [7]}', '{"cases": [], "fill": []}',
        '{"cases": [], "state_dict": [["a", [1000000000000], "float32"]]}',
        '{"cases": [], "state_dict": [["a", [-1], "float32"]]}',
        '{"cases": [], "state_dict": [["a", [1], "float32"]], "fill": {"constructed": ["("]}}',
        "[" * 100_000, "\x00", "{",
    ],
)  # fmt: skip
def test_a_manifest_of_other_content_is_a_config_error(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    np.savez(tmp_path / "golden.npz", a=np.zeros(1))
    with pytest.raises(ConfigError, match="not a golden folder"):
        read_golden(tmp_path)
