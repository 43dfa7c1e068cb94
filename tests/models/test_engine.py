"""engine: onnx runs networks by ONNX Runtime, with the values of torch."""

import errno
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avfer.errors import MissingExtra, OutputError, WeightsError
from avfer.models import engine
from avfer.models.detectors.mtcnn import Mtcnn
from avfer.models.engine import OnnxNetwork, choose_engine, face_predictor, onnx_network, package_version
from avfer.models.factory import create
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction
from avfer.pipeline import load
from avfer.stages.measure import MeasureFaces
from tests.pictures import astronaut

CPU = torch.device("cpu")


class Slopes(nn.Module):
    """A convolution and a PReLU with slopes below 0 and above 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.prelu = nn.Conv2d(3, 4, 3), nn.PReLU(4)
        self.prelu.weight.data = torch.tensor([-1.2, 0.0, 0.3, 1.4])

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(self.conv(x))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the networks of this file alone."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVFER_CACHE", str(folder))
        yield folder


def slopes(name: str) -> tuple[Slopes, OnnxNetwork]:
    network = Slopes().eval().requires_grad_(False)
    return network, onnx_network(name, network, lambda net, x: {"y": net(x)}, (1, 3, 8, 8), free=(0, 2, 3))


@pytest.mark.parametrize(("name", "side"), [("aver_lite", 48), ("identity_lite", 64)])
def test_embedded_networks_have_the_values_of_torch(name: str, side: int) -> None:
    network = create(name, weights="builtin").requires_grad_(False)
    assert isinstance(network, FaceNetwork)
    predict, used = face_predictor(name, network, side, "onnx", CPU)
    crops = torch.randn(5, 3, side, side)
    assert used == "onnx"
    for output, values in predict(crops).tensors().items():
        torch.testing.assert_close(values, network.predict(crops).tensors()[output], rtol=0, atol=1e-4)


def test_face_lite_has_the_values_of_torch() -> None:
    crops = torch.from_numpy(astronaut()[:96, 180:276].copy())[None].repeat(3, 1, 1, 1)
    outputs = {}
    for name in ("torch", "onnx"):
        stage = MeasureFaces(engine=name)  # pyright: ignore[reportArgumentType]
        stage.load(CPU)
        assert stage.engine_used == name and stage._measurer is not None
        with torch.inference_mode():
            outputs[name] = vars(stage._measurer.outputs(crops))
    for output, values in outputs["torch"].items():
        torch.testing.assert_close(outputs["onnx"][output], values, rtol=1e-4, atol=1e-4)


def test_mtcnn_finds_the_same_faces() -> None:
    picture, detector = torch.from_numpy(astronaut().copy()), Mtcnn()
    with torch.inference_mode():
        wanted = detector.search(picture, 40)
        assert choose_engine(detector, "onnx", CPU) == "onnx"
        found = detector.search(picture, 40)
    assert len(found[0]) == 1
    for values, expected in zip(found, wanted, strict=True):
        torch.testing.assert_close(values, expected, rtol=0, atol=1e-3)


def test_any_slope_and_any_size_have_the_values_of_torch() -> None:
    network, run = slopes("sizes")
    for shape in ((1, 3, 8, 8), (7, 3, 21, 12)):
        x = torch.randn(shape)
        torch.testing.assert_close(run(x)["y"], network(x), rtol=0, atol=1e-5)


def test_a_network_that_cannot_be_exported_is_named_with_the_way_out() -> None:
    def singular_values(net: Slopes, x: Tensor) -> dict[str, Tensor]:
        return {"y": torch.linalg.svdvals(net(x).flatten(2))}

    message = "unusual cannot be exported to ONNX: .*svdvals.* not supported; set engine: torch"
    with pytest.raises(WeightsError, match=message):
        onnx_network("unusual", Slopes().eval().requires_grad_(False), singular_values, (1, 3, 8, 8))


def test_equal_inputs_give_equal_bytes() -> None:
    _, run = slopes("equal")
    x = torch.randn(3, 3, 24, 24)
    assert torch.equal(run(x)["y"], run(x)["y"])


def test_a_damaged_file_in_the_cache_is_made_again(cache: Path) -> None:
    network, _ = slopes("damaged")
    [file] = cache.rglob("damaged-*.onnx")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    onnx_network("damaged", network, lambda net, x: {"y": net(x)}, (1, 3, 8, 8), free=(0, 2, 3))
    assert len(file.read_bytes()) == len(content)


def test_a_file_of_other_code_is_made_again() -> None:
    network, _ = slopes("code")
    run = onnx_network("code", network, lambda net, x: {"y": 2 * net(x)}, (1, 3, 8, 8), free=(0, 2, 3))
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(run(x)["y"], 2 * network(x), rtol=0, atol=1e-5)


def test_a_file_with_other_outputs_is_made_again() -> None:
    network, _ = slopes("names")
    run = onnx_network("names", network, lambda net, x: {"z": net(x)}, (1, 3, 8, 8), free=(0, 2, 3))
    assert run(torch.zeros(1, 3, 8, 8)).keys() == {"z"}


def test_networks_and_free_axes_have_files_of_their_own(cache: Path) -> None:
    network, _ = slopes("files")
    slopes("files")
    onnx_network("files", network, lambda net, x: {"y": net(x)}, (1, 3, 8, 8), free=(0,))
    assert len(list(cache.rglob("files-*.onnx"))) == 3
    run = onnx_network("files", network, lambda net, x: {"y": net(x)}, (1, 3, 8, 8), free=(0, 2, 3))
    assert run(torch.zeros(1, 3, 20, 9))["y"].shape == (1, 4, 18, 7)


def test_large_outputs_may_differ_in_proportion() -> None:
    network = Slopes().eval().requires_grad_(False)
    run = onnx_network("large", network, lambda net, x: {"y": 1e6 * net(x)}, (1, 3, 8, 8))
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(run(x)["y"], 1e6 * network(x), rtol=1e-4, atol=100)


class OnlyOnnx:
    """A detector that can run by ONNX Runtime, and counts how often it was let do so."""

    calls = 0

    def use_onnx(self) -> None:
        self.calls += 1


@pytest.mark.parametrize(
    ("engine_name", "device", "used"), [("onnx", "cpu", "onnx"), ("torch", "cpu", "torch"), ("onnx", "cuda", "torch")]
)
def test_onnx_runs_on_request_and_on_the_cpu_only(engine_name, device, used) -> None:
    network = OnlyOnnx()
    assert choose_engine(network, engine_name, torch.device(device)) == used
    assert network.calls == (used == "onnx")


def test_other_values_than_those_of_torch_are_refused() -> None:
    with pytest.raises(WeightsError, match="does not compute the same as torch; set engine: torch"):
        onnx_network("random", Slopes().eval(), lambda net, x: {"y": net(x) + torch.rand(1)}, (1, 3, 8, 8))


def test_without_onnx_runtime_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PACKAGES", ("no_such_package",))
    with pytest.raises(MissingExtra, match=r"pip install 'avfer\[onnx\]'"):
        slopes("missing")


def test_onnx_runtime_may_be_installed_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(engine, "version", unknown)  # as with onnxruntime-gpu alone
    assert package_version("onnxruntime") == import_module("onnxruntime").__version__


def test_a_cache_without_space_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(engine, "_export", full)
    with pytest.raises(OutputError, match=r"full-.*\.onnx cannot be written: No space .*set AVFER_CACHE"):
        slopes("full")


def test_networks_that_do_not_declare_it_and_other_devices_keep_torch() -> None:
    class Own(FaceNetwork):
        def predict(self, crops: Tensor, /) -> Prediction:
            return Prediction(crops.mean((2, 3)))

    assert face_predictor("own", Own(), 48, "onnx", CPU)[1] == "torch"
    assert face_predictor("aver_lite", create("aver_lite"), 48, "onnx", torch.device("meta"))[1] == "torch"  # pyright: ignore
    assert choose_engine(object(), "onnx", CPU) == "torch"


def test_a_pipeline_names_the_engine_of_each_stage(cache: Path) -> None:
    pipeline = load("vision", device="cpu", engine="onnx")
    clip = Path(__file__).parents[1] / "data" / "demo.mp4"
    engines = pipeline.expected_provenance(clip.name, {}).as_metadata()["engines"]
    assert engines.count("onnxruntime ") == len(pipeline.engines) == 4
    assert set(load("vision", device="cpu").engines.values()) == {f"torch {torch.__version__.partition('+')[0]}"}
    assert np.all([file.suffix == ".onnx" for file in (cache / "onnx").iterdir()])
