"""The one presenter: every result has text, and a table HTML beside it."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import kdnb.results
from kdnb.render.lines import lines
from kdnb.render.present import present_result
from kdnb.render.text import to_text
from kdnb.results.base import Result, TableResult, present
from kdnb.results.memory import MemoryDump

PATHS = kdnb.results.__path__
MODULES = [importlib.import_module(f"kdnb.results.{found.name}") for found in pkgutil.iter_modules(PATHS)]
RESULTS = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Result) and value not in (Result, TableResult)
    },
    key=lambda value: value.__name__,
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.__name__)
def test_every_result_has_a_text_of_its_own(result: type[Result]) -> None:
    assert lines.dispatch(result) is not lines.dispatch(object)


def test_a_dump_has_text_and_html() -> None:
    value = MemoryDump("db", 0x1000, b"kernel<b>", 9, 1, 16, 8, ascii=True)
    bundle = present(value)
    assert bundle == present_result(value)
    assert bundle["text/plain"] == to_text(value) == str(value)
    assert "kernel&lt;b&gt;" in bundle["text/html"]


def test_what_is_no_result_shows_as_python_shows_it() -> None:
    assert to_text([1, 2]) == "[1, 2]"
