"""Paths that configurations name."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from avfer.local_paths import LocalPath


def test_a_path_in_a_configuration_may_begin_with_the_home_folder(monkeypatch, tmp_path):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    read = TypeAdapter(LocalPath).validate_python
    assert (read("~/data"), read("data/~old"), read(".")) == (tmp_path / "data", Path("data/~old"), Path())


def test_a_path_in_a_configuration_has_no_nul_character():
    with pytest.raises(ValidationError, match="NUL character"):
        TypeAdapter(LocalPath).validate_python("a\0b")
