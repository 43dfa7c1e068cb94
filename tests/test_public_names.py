"""The public names of the package, and `create`."""

import subprocess
import sys
from pathlib import Path

import pytest

import avfer

ROOT = Path(__file__).parents[1]


def test_public_names_are_sorted_and_importable():
    assert avfer.__all__ == sorted(avfer.__all__)
    assert all(getattr(avfer, name) is not None for name in avfer.__all__)
    assert dir(avfer) == avfer.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'labell'"):
        avfer.labell  # noqa: B018


def test_importing_avfer_is_fast_and_imports_no_torch():
    code = (
        "import sys, time; start = time.process_time(); import avfer; seconds = time.process_time() - start;"
        "print(seconds, sorted({'torch', 'numpy', 'pandas', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.split(" ", 1)
    assert heavy.strip() == "[]"
    assert float(seconds) < 0.1


def test_create_returns_a_module_in_eval_mode():
    import torch

    model = avfer.create("aver_lite", num_classes=7)
    assert not model.training
    with torch.inference_mode():
        assert model(torch.rand(2, 3, 48, 48)).shape == (2, 7)
        assert model.features(torch.rand(2, 3, 48, 48)).shape == (2, model.num_features)


def test_create_with_embedded_weights_is_deterministic():
    import torch

    faces = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first, second = (avfer.create("aver_lite", weights="builtin")(faces) for _ in range(2))
        fresh = avfer.create("aver_lite")(faces)
    assert torch.equal(first, second)
    assert not torch.equal(first, fresh)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("averlite", {}, "did you mean 'aver_lite'"),
        ("aver_lite", {"weights": "absent.safetensors"}, "absent.safetensors: no such weight file"),
        ("aver_lite", {"weights": "builtin", "num_classes": 7}, "8 classes"),
        ("mtcnn", {"num_classes": 7}, "num_classes"),
    ],
)
def test_create_raises_an_error_that_names_the_way_out(name, options, message):
    with pytest.raises(avfer.AvferError, match=message):
        avfer.create(name, **options)
