"""Every golden: our networks compute what the published implementations compute."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avfer.errors import ConfigError
from avfer.goldens.adapters import verify
from avfer.goldens.golden_files import (
    ExpectedOutput,
    Golden,
    GoldenCase,
    fill_tensor,
    read_golden,
    read_golden_manifest,
    sample_input,
)
from avfer.goldens.verification import GoldenAdapter, deviations

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
        (case["name"], output["name"])
        for case in read_golden_manifest(FOLDER / name)["cases"]
        for output in case["outputs"]
    ]
    assert [(row.case, row.output) for row in rows] == listed
    assert [row for row in rows if not row.fine] == []
    assert len([row for row in rows if row.left_out]) < len(rows)


@pytest.mark.parametrize(
    ("name", "shape", "values"),
    [
        ("trunk.conv1.weight", (2, 2), [-0.693210, 0.431833, 0.778206, -1.224990]),
        ("trunk.bn1.weight", (2,), [0.942522, 0.970111]),
        ("trunk.bn1.bias", (2,), [0.094321, 0.007247]),
        ("trunk.bn1.running_mean", (2,), [0.055691, 0.049096]),
        ("trunk.bn1.running_var", (2,), [1.157208, 1.069306]),
    ],
)
def test_weights_follow_from_name_and_shape(name, shape, values):
    """The values of the code that made the goldens."""
    filled = fill_tensor(name, shape)
    assert filled.dtype == np.float32 and filled.shape == shape
    assert filled.ravel() == pytest.approx(values, abs=1e-6)


def test_a_batch_counter_is_zero():
    counter = fill_tensor("trunk.bn1.num_batches_tracked", ())
    assert counter.dtype == np.int64 and counter == 0


def test_inputs_follow_from_their_key():
    assert sample_input("crops", (2,)) == pytest.approx([-0.299910, -0.210264], abs=1e-6)


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
