"""Collections that a script holds; the verbs themselves are tested where they live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.engine import Engine
from kdnb.debugger.typed_views import TypesView
from kdnb.debugger.views import BreakpointsView, MemoryView, ModulesView, RegistersView, SymbolsView
from kdnb.errors import ExpressionError, MemoryReadError, ReadOnlyError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session


@pytest.fixture
def engine(session: Session) -> Iterator[Engine]:
    engine = Engine(session)
    yield engine
    engine.close()


def test_modules_iterate_index_and_complete(engine: Engine) -> None:
    modules = ModulesView(engine)
    assert next(module.name for module in modules) == "nt"
    assert len(modules) == len(list(modules))
    assert "NT" in modules
    assert "nonsense" not in modules
    assert modules.find(modules["nt"].start + 5) == modules["nt"]
    assert modules.find(0) is None
    assert "ntfs" in modules._ipython_key_completions_()
    with pytest.raises(KeyError):
        modules["nonsense"]
    with pytest.raises(UnknownNameError, match="there is no module ntfz; did you mean ntfs"):
        modules["ntfz"]


def test_symbols_index_search_and_have_a_path(engine: Engine) -> None:
    symbols = SymbolsView(engine)
    address = symbols["nt!KeBugCheckEx"]
    assert symbols.nearest(address + 1) == "nt!KeBugCheckEx+0x1"
    assert symbols.search("nt!KeBugCheckEx")[0].address == address
    with pytest.raises(UnknownNameError, match="did you mean nt!KeBugCheckEx"):
        symbols["nt!KeBugChekEx"]
    assert symbols.path
    symbols.path = ""
    assert symbols.path == ""


def test_symbols_and_types_iterate_by_name(engine: Engine) -> None:
    symbols = SymbolsView(engine)
    assert "nt!KeBugCheckEx" in symbols
    assert "nt!KeBugCheckEx" in list(symbols)
    assert "nt!Nonsense" not in symbols
    assert "nt!KeBugCheckEx" in symbols._ipython_key_completions_()
    assert list(TypesView(engine)) == TypesView(engine).search("*!*")


def test_memory_takes_expressions_and_refuses_what_is_no_address(engine: Engine, session: Session) -> None:
    memory = MemoryView(engine, session.memory)
    here = session.registers.pc
    assert memory.read("@$ip", 4) == memory.read(here, 4)
    assert memory.read_u32("@$ip") == int.from_bytes(memory.read(here, 4), "little")
    memory.write("@$ip", memory.read(here, 4))
    for address in (1 << 64, -1):
        with pytest.raises(ExpressionError, match="no address"):
            memory.read(address, 4)
    with pytest.raises(UsageError, match="can't read -1 bytes"):
        memory.read(here, -1)
    with pytest.raises(MemoryReadError):
        memory.read((1 << 64) - 4, 8)


def test_breakpoints_are_values_of_the_moment(engine: Engine) -> None:
    breakpoints = BreakpointsView(engine)
    added = breakpoints.add("nt!KeBugCheckEx", passes=2)
    breakpoints.disable(added)
    assert (added.enabled, breakpoints[0].enabled) == (True, False)
    breakpoints.enable(0)
    assert breakpoints[0].enabled
    breakpoints.clear()
    assert list(breakpoints) == []


def test_registers_iterate_by_name(engine: Engine) -> None:
    registers = RegistersView(engine)
    assert {"rax", "zf"} <= set(registers)
    assert "rax" in registers._ipython_key_completions_()
    assert registers.snapshot().rip == registers.rip


def test_a_read_only_session_refuses_writes_through_a_view(engine: Engine, session: Session) -> None:
    session.read_only = True
    with pytest.raises(ReadOnlyError):
        MemoryView(engine, session.memory).write(session.registers.sp, b"x")
