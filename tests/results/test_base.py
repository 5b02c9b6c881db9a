"""What all results share: their repr is their text, `to_dict()` is ready for JSON, attributes complete."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest

import kdnb.results
from kdnb.results.base import Result
from kdnb.results.disassembly import Instruction
from kdnb.results.events import Stop
from kdnb.results.registers import RegisterSet

for _module in pkgutil.iter_modules(kdnb.results.__path__):
    importlib.import_module(f"kdnb.results.{_module.name}")


def _subclasses(of: type) -> list[type]:
    return [each for direct in of.__subclasses__() for each in (direct, *_subclasses(direct))]


@pytest.mark.parametrize("result", _subclasses(Result), ids=lambda each: each.__name__)
def test_the_repr_of_every_result_is_its_text(result: type) -> None:
    assert result.__repr__ is Result.__repr__


def test_to_dict_is_ready_for_json_with_bytes_in_hex() -> None:
    stop = Stop("break", 0, 0x1000, instruction=Instruction(0x1000, b"\xcc\x90", "int", "3"))
    found = json.loads(json.dumps(stop.to_dict()))
    assert found["address"] == 0x1000
    assert "cc90" in found["instruction"].values()


def test_the_registers_of_a_set_complete_and_stand_in_the_order_of_r() -> None:
    registers = RegisterSet("amd64", 0, {"mxcsr": 1, "cs": 2, "rip": 3, "rax": 4, "xmm0": 5})
    assert {"rip", "rax", "df", "to_dict"} <= set(dir(registers))
    assert [row["register"] for row in registers.rows()] == ["rax", "rip", "cs", "mxcsr", "xmm0"]
