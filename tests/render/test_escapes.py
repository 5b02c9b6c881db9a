"""No text of a target's reaches a terminal as control characters: each string of each result is hostile here."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

import pytest

from kdnb.render.text import to_text
from kdnb.results.base import present
from kdnb.results.events import DebugPrint
from kdnb.results.values import Text
from tests.render.test_present import MODULES, RESULTS

HOSTILE = "A\x1b[31mB\x9bC\u202eD\rE\nF"
STEERING = ("\x1b", "\x9b", "\u202e", "\r", "\x00")
NAMES = {name: value for module in MODULES for name, value in vars(module).items()} | {
    "Mapping": Mapping,
    "Any": Any,
    "datetime": __import__("datetime").datetime,
}
OURS = {"address_size": 8, "level": "PTE"}
"""Fields with values of our own making only."""
SAMPLES = {int: 1, bool: True, float: 1.0, bytes: b"\x1b" * 8}


def sample(kind: Any, depth: int = 0) -> Any:
    """A value of an annotated type in which every text is `HOSTILE`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is str or kind is Any:
        return HOSTILE
    if kind in SAMPLES:
        return SAMPLES[kind]
    if origin in (types.UnionType, typing.Union):
        wanted = [one for one in arguments if one is not type(None)]
        return (
            sample(wanted[0], depth) if depth < 4 else (None if type(None) in arguments else sample(wanted[0], depth))
        )
    if origin is tuple and arguments[-1] is Ellipsis:
        return (sample(arguments[0], depth + 1),) if depth < 4 else ()
    if origin is tuple:
        return tuple(sample(one, depth + 1) for one in arguments)
    if origin in (list, frozenset, set):
        return origin([sample(arguments[0], depth + 1)])
    if origin in (dict, Mapping):
        return {sample(arguments[0], depth + 1): sample(arguments[1], depth + 1)}
    if origin is typing.Literal:
        return arguments[0]
    if dataclasses.is_dataclass(kind):
        return made(kind, depth + 1)
    return None


def made(result: Any, depth: int = 0) -> Any:
    hints = typing.get_type_hints(result, NAMES, NAMES)
    values = {field.name: sample(hints[field.name], depth) for field in dataclasses.fields(result) if field.init}
    ours = {name: value for name, value in OURS.items() if type(values.get(name)) is type(value)}
    return result(**values | ours)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.__name__)
def test_no_string_of_a_result_steers_a_terminal(result: type) -> None:
    value = made(result)
    for text in (to_text(value), to_text(value, 5), present(value)["text/plain"], str(value)):
        assert not any(sign in text for sign in STEERING)


def test_line_ends_of_a_print_are_line_ends() -> None:
    assert to_text(DebugPrint("one\r\ntwo\x1b[0m\r\n")) == "one\ntwo.[0m"
    assert to_text(Text("a\nb")) == "a\nb"
