"""The examples in the docstrings of the readers are true."""

import doctest
import importlib
import pkgutil

import pytest

import avfer.datasets

MODULES = [module.name for module in pkgutil.iter_modules(avfer.datasets.__path__)]


@pytest.mark.parametrize("module", MODULES)
def test_examples_return_what_they_show(module):
    assert doctest.testmod(importlib.import_module(f"avfer.datasets.{module}")).failed == 0
