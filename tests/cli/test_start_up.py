"""Nothing is collected while networks are loaded, and what is loaded is not visited by later collections."""

import gc

import pytest

from avfer import jobs
from avfer.cli.start_up import imports_and_networks
from avfer.pipeline import Pipeline


def test_collections_wait_for_the_end_of_loading_and_leave_out_what_was_loaded():
    gc.unfreeze()
    with imports_and_networks():
        assert not gc.isenabled()
        loaded = [[] for _ in range(1000)]
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert frozen >= len(loaded)
    assert gc.isenabled()


def test_collections_go_on_after_an_error_of_loading():
    with pytest.raises(KeyError), imports_and_networks():
        raise KeyError
    gc.unfreeze()
    assert gc.isenabled()


def test_run_loads_without_collections_and_processes_clips_with_them(avfer, steady, clip, tmp_path, monkeypatch):
    enabled = []
    load, run_job = Pipeline.__init__, jobs.run_job
    monkeypatch.setattr(Pipeline, "__init__", lambda *a, **k: (enabled.append(gc.isenabled()), load(*a, **k))[1])
    monkeypatch.setattr(jobs, "run_job", lambda *a, **k: (enabled.append(gc.isenabled()), run_job(*a, **k))[1])
    assert avfer("run", steady, "--input", clip, "--output", tmp_path).code == 0
    assert enabled == [False, True]
