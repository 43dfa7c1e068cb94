"""Nothing is collected while networks are loaded, and what is loaded is not visited by later collections."""

import gc

import pytest

from avfer.garbage import lasting_objects


def test_collections_wait_for_the_end_of_loading_and_leave_out_what_was_loaded():
    gc.unfreeze()
    with lasting_objects():
        assert not gc.isenabled()
        loaded = [[] for _ in range(1000)]
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert frozen >= len(loaded)
    assert gc.isenabled()


def test_collections_go_on_after_an_error_of_loading():
    with pytest.raises(KeyError), lasting_objects():
        raise KeyError
    gc.unfreeze()
    assert gc.isenabled()
