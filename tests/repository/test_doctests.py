"""The examples in docstrings are correct."""

import doctest
import importlib
import pkgutil

import pytest

import pixelmill

MODULES = [module.name for module in pkgutil.walk_packages(pixelmill.__path__, "pixelmill.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_module(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
