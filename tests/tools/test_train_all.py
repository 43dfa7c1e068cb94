"""The script that rebuilds all embedded weights."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from avfer.models.card_files import BUILTIN
from tools.train.all import Records, Step, StepError, run, steps

PLAN = steps(Path("data"), Path("out"), BUILTIN, 1)


def test_every_weights_file_of_the_package_is_written_by_a_step() -> None:
    written = {path for step in PLAN for path in step.writes if path.parent == BUILTIN}
    assert written == set(BUILTIN.glob("*.safetensors"))


def test_a_step_reads_what_earlier_steps_write_and_runs_modules_that_exist() -> None:
    written = set[Path]()
    for step in PLAN:
        assert set(step.reads) <= written, step.name
        written |= set(step.writes)
        assert all(find_spec(module) for module, *_ in step.commands), step.name


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Step, Step]:
    """Return two steps without commands; the second reads the file of the first."""
    first = Step("first", (), writes=(tmp_path / "first.txt",))
    return first, Step("second", (), reads=first.writes, writes=(tmp_path / "second.txt",))


def finish(chain: tuple[Step, Step], records: Records) -> None:
    for step in chain:
        step.writes[0].write_text("made")
        run(step, chain, records)
        assert records.finished(step)


def test_a_step_runs_again_when_a_file_it_reads_has_changed(chain: tuple[Step, Step], tmp_path: Path) -> None:
    records = Records(tmp_path / "finished")
    finish(chain, records)
    chain[0].writes[0].write_text("replaced by hand")
    assert records.finished(chain[0])
    assert not records.finished(chain[1])


def test_a_step_that_runs_again_makes_its_readers_run_again(chain: tuple[Step, Step], tmp_path: Path) -> None:
    records = Records(tmp_path / "finished")
    finish(chain, records)
    records.remove(chain[0])
    run(chain[0], chain, records)
    assert not records.finished(chain[1])


def test_a_step_that_fails_is_not_recorded_and_names_its_command(tmp_path: Path) -> None:
    step, records = Step("failing", (("tools.no_such_module",),)), Records(tmp_path / "finished")
    with pytest.raises(StepError, match=r"failing: tools\.no_such_module ended with exit code 1; run again"):
        run(step, (step,), records)
    assert not records.finished(step)


def test_a_missing_file_is_reported_with_the_step_that_writes_it(chain: tuple[Step, Step], tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"second: reads .*first\.txt, which does not exist; run the step first first"):
        run(chain[1], chain, Records(tmp_path / "finished"))


def test_a_step_whose_files_are_removed_is_not_finished(chain: tuple[Step, Step], tmp_path: Path) -> None:
    records = Records(tmp_path / "finished")
    finish(chain, records)
    chain[0].writes[0].unlink()
    assert not records.finished(chain[0])
