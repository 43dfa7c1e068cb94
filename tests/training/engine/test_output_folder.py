"""The output folder is checked before training: an earlier run, free disk space, and permissions."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

from avfer.errors import AvferWarning, ConfigError
from avfer.training.engine.checkpoint import CHECKPOINT
from avfer.training.engine.output_folder import prepare_output
from avfer.training.training_config import make_config, read_config


def prepare(folder: Path, resume: bool = False, **changes: object) -> None:
    config = make_config({"corpus": "table", "root": ".", "output": folder, **changes}, "")
    prepare_output(config, resume, nn.Linear(1, 1))


def test_a_folder_with_a_run_is_used_only_to_resume_it(tmp_path):
    out = tmp_path / "out"
    prepare(out, seed=1)
    prepare(out, seed=2)  # nothing was trained yet
    (out / CHECKPOINT).write_bytes(b"")
    with pytest.raises(ConfigError, match="continue it with --resume"):
        prepare(out, seed=2)
    prepare(out, True, seed=2)
    with pytest.raises(ConfigError, match=r"another configuration \(batch: 16 before, 4 now; seed: 2 before, 3 now\)"):
        prepare(out, True, seed=3, batch=4)


@pytest.mark.parametrize("change", [{"threads": 2}, {"workers": 3}, {"device": "cpu"}, {"patience": 50}])
def test_a_run_can_be_resumed_on_another_machine_and_for_longer(tmp_path, change):
    prepare(tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"")
    prepare(tmp_path, True, **change)
    assert read_config(tmp_path / "config.yaml").model_dump().items() >= change.items()


@pytest.mark.parametrize(
    ("optimiser", "warned"),
    [
        ({"schedule": "constant"}, None),
        ({"schedule": "step"}, None),
        ({"schedule": "cosine"}, r"epochs: 3 before, 5 now: .* the schedule over 5 epochs \(cosine, warm_up 0\)"),
        ({"schedule": "one_cycle", "warm_up": 0.3}, r"\(one_cycle, warm_up 0\.3\)"),
        ({"schedule": "constant", "warm_up": 0.1}, r"\(constant, warm_up 0\.1\)"),
    ],
)
def test_a_run_can_be_resumed_for_more_epochs_but_not_for_fewer(tmp_path, optimiser, warned):
    """A warning is given where the rates so far depend on the former number of epochs."""
    prepare(tmp_path, epochs=3, optimiser=optimiser)
    (tmp_path / CHECKPOINT).write_bytes(b"")
    with pytest.warns(AvferWarning, match=warned) if warned else nullcontext():
        prepare(tmp_path, True, epochs=5, optimiser=optimiser)
    with pytest.raises(ConfigError, match=r"another configuration \(epochs: 5 before, 4 now\)"):
        prepare(tmp_path, True, epochs=4, optimiser=optimiser)
    prepare(tmp_path, True, epochs=5, optimiser=optimiser)


def test_a_run_of_a_version_with_more_keys_can_be_resumed(tmp_path):
    prepare(tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"")
    settings = tmp_path / "config.yaml"
    settings.write_text(settings.read_text() + "ema: 0.0\n")
    prepare(tmp_path, True)


def test_resuming_without_a_checkpoint_starts_over_with_a_warning(tmp_path):
    with pytest.warns(AvferWarning, match="holds no checkpoint: training starts from the beginning"):
        prepare(tmp_path / "out", True)
    assert (tmp_path / "out" / "config.yaml").exists()


def test_a_disk_without_room_for_two_checkpoints_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=40 << 20))
    small, large = nn.Linear(1000, 1000), nn.Linear(2000, 1000)
    config = make_config({"corpus": "table", "root": ".", "output": tmp_path}, "")
    prepare_output(config, False, small)
    with pytest.raises(ConfigError, match="40 MB free, checkpoints need 62 MB"):
        prepare_output(config, False, large)


@pytest.mark.parametrize("place", ["file", "file/below", "read_only"])
def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, read_only_folder, place):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cannot be written.*: .*; choose another folder: --set output=DIR"):
        prepare(tmp_path / place)
