"""The examples in the docstrings of the metrics are true."""

import doctest
import importlib
import pkgutil

import pytest

import avfer.metrics

MODULES = [module.name for module in pkgutil.iter_modules(avfer.metrics.__path__)]
FUNCTIONS = [name for name in avfer.metrics.__all__ if name.islower() and name not in {"war", "bootstrap"}]


@pytest.mark.parametrize("module", MODULES)
def test_examples_return_what_they_show(module):
    result = doctest.testmod(importlib.import_module(f"avfer.metrics.{module}"))
    assert result.failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_an_example(name):
    assert ">>> " in getattr(avfer.metrics, name).__doc__
