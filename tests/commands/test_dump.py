"""`.dump` on the simulated machine, read back by kdmp-parser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import Runner, execute
from kdnb.debugger.crash_dump import HEADER_SIZE, PAGE_SIZE, memory_runs
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_an_independent_reader_sees_the_same_machine(session: Session) -> None:
    kdmp_parser = pytest.importorskip("kdmp_parser", reason="has no wheel for this system")
    lines = [to_text(result) for result in execute(session, ".dump /f memory.dmp")]
    assert lines[0] == "Creating memory.dmp - Full memory dump"
    assert lines[1:-1] == [f"Percent written: {percent}" for percent in range(10, 100, 10)]
    assert lines[-1] == "Dump successfully written"
    dump = kdmp_parser.KernelDumpParser(Path("memory.dmp"))
    assert dump.type == kdmp_parser.DumpType.FullDump
    assert dump.directory_table_base == session.registers.get("cr3")
    assert (dump.context.Rip, dump.context.Rsp) == (session.registers.pc, session.registers.sp)
    header = dump.header
    assert session.version is not None
    assert session.debugger_data is not None
    assert session.last_stop is not None
    assert header.NumberProcessors == session.processor_count
    assert header.MinorVersion == session.version.minor
    assert header.PsActiveProcessHead == session.evaluate("nt!PsActiveProcessHead")
    assert header.PsLoadedModuleList == session.evaluate("nt!PsLoadedModuleList")
    assert header.KdDebuggerDataBlock == session.debugger_data.address
    assert header.Exception.ExceptionCode == session.last_stop.code
    assert header.RequiredDumpSpace == Path("memory.dmp").stat().st_size
    for name in ("nt", "@rsp", "@$proc", "@$thread", "disk"):
        page = session.evaluate(name) & ~0xFFF
        assert bytes(dump.read_virtual_page(page)) == session.memory.read(page, PAGE_SIZE)
    with pytest.raises(CommandError, match="is there already"):
        execute(session, ".dump /f memory.dmp")


def test_pages_that_cannot_be_read_are_zeros_and_counted(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    hole = 0x203000

    def read(address: int, size: int) -> bytes:
        return b"\x11" * (min(size, hole - address) if address <= hole else size)

    monkeypatch.setattr(session.target, "read_physical", read)
    (*_, last) = execute(session, ".dump /f /o memory.dmp")
    assert to_text(last).split("\n")[1] == "1 pages could not be read and are zeros"
    (run,) = memory_runs(session)
    data = Path("memory.dmp").read_bytes()
    assert len(data) == HEADER_SIZE + run.count * PAGE_SIZE
    at = HEADER_SIZE + hole - run.first * PAGE_SIZE
    assert data[at - 1 : at + PAGE_SIZE + 1] == b"\x11" + bytes(PAGE_SIZE) + b"\x11"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (".dump memory.dmp", "small dumps are not built"),
        (".dump /f", "Syntax error|not built"),
        (".dump /f nosuch/memory.dmp", "No such file"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_leaves_no_file(session: Session, command: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        execute(session, command)
    assert list(Path().iterdir()) == []


def test_stop_leaves_no_file(session: Session) -> None:
    results = Runner(session).run(".dump /f memory.dmp")
    next(results)
    session.request_cancel()
    try:
        with pytest.raises(Exception, match="stopped"):
            list(results)
    finally:
        session.clear_cancel()
    assert list(Path().iterdir()) == []
