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


def test_what_a_collection_gives_is_in_it(engine: Engine) -> None:
    modules, breakpoints, registers = ModulesView(engine), BreakpointsView(engine), RegistersView(engine)
    assert all(module in modules for module in modules)
    added = breakpoints.add("nt!KeBugCheckEx")
    breakpoints.disable(added)  # the value is older than the table
    assert added in breakpoints
    assert 0 in breakpoints
    assert 1 not in breakpoints
    assert "RIP" in registers
    assert "rippp" not in registers
    assert len(registers) == len(list(registers))
    assert list(registers)[:3] == ["rax", "rbx", "rcx"]


@pytest.mark.parametrize("key", [None, 1.5, b"nt", [], 99999])
@pytest.mark.parametrize("view", [ModulesView, BreakpointsView, RegistersView, SymbolsView, TypesView])
def test_a_key_that_can_not_be_is_a_key_error_of_ours(engine: Engine, view: type, key: object) -> None:
    collection = view(engine)
    with pytest.raises(UnknownNameError):
        collection[key]
    assert key not in collection


def test_modules_are_found_by_file_name_and_address(engine: Engine) -> None:
    modules = ModulesView(engine)
    assert modules["disk.sys"] == modules["disk"] == modules["DISK.SYS"]
    assert modules["ntoskrnl.exe"].name == "nt"
    assert modules.find("nt!KeBugCheckEx") == modules["nt"]
    with pytest.raises(UnknownNameError, match="no module number 99"):
        modules[99]


def test_a_register_takes_what_fits_and_nothing_else(engine: Engine) -> None:
    registers = RegistersView(engine)
    registers.rax = -1
    assert registers.rax == 2**64 - 1
    registers["al"] = 5
    assert registers.rax == 2**64 - 0x100 + 5
    for name, value in (("rax", 1 << 64), ("al", 0x100), ("zf", 2), ("eax", -(1 << 32))):
        with pytest.raises(ExpressionError, match=f"doesn't fit {name}; it has"):
            registers[name] = value
    with pytest.raises(UnknownNameError, match="'raxx'; did you mean rax"):
        registers["raxx"]
    with pytest.raises(AttributeError, match="did you mean rax"):
        _ = registers.raxx


def test_only_bytes_are_written(engine: Engine, session: Session) -> None:
    memory = MemoryView(engine, session.memory)
    stack = session.registers.sp
    before = memory.read(stack, 8)
    for data in (5, "text", [1, 2]):
        with pytest.raises(TypeError):
            memory.write(stack, data)  # type: ignore[arg-type]  # what a user may try
    assert memory.read(stack, 8) == before
    memory.write(stack, bytearray(before))


def test_what_was_said_as_a_breakpoint_was_set_is_said_once(engine: Engine) -> None:
    breakpoints = BreakpointsView(engine)
    assert repr(breakpoints) == "<no breakpoints>"
    breakpoints.add("nt!KeBugCheckEx")
    assert "redefined" in breakpoints.add("nt!KeBugCheckEx").message
    assert breakpoints[0].message == ""
    assert [each.message for each in breakpoints] == [""]


@pytest.mark.parametrize("wrong", [{"passes": -1}, {"when": 5}])
def test_a_breakpoint_that_can_not_be_judged_is_not_set(engine: Engine, wrong: dict[str, object]) -> None:
    breakpoints = BreakpointsView(engine)
    with pytest.raises(UsageError, match="when a function of the stop"):
        breakpoints.add("nt!KeBugCheckEx", **wrong)  # type: ignore[arg-type]  # what a user may try
    assert len(breakpoints) == 0


def test_the_repr_of_a_collection_never_raises(engine: Engine, session: Session) -> None:
    engine.call(session.go, wait=False)
    assert repr(RegistersView(engine)).startswith("<registers: the target is running; break in first")
    engine.close()
    assert repr(RegistersView(engine)) == "<registers: the session is closed; connect again>"
