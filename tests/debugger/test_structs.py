"""Structs as Python objects, on the simulated machine."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

import kdnb
from kdnb.debugger.structs import EnumValue, StructList, TypedPointer
from kdnb.errors import ExpressionError, MemoryReadError, StaleError, UnknownNameError
from kdnb.results.types import TypeDump

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.api import Debugger


@pytest.fixture(scope="module")
def kd() -> Iterator[Debugger]:
    pytest.importorskip("unicorn", reason="needs the extra `sim`")
    with kdnb.connect("sim:") as debugger:
        yield debugger


@pytest.fixture
def processes(kd: Debugger) -> StructList:
    return kd.list("nt!PsActiveProcessHead", "nt!_EPROCESS", "ActiveProcessLinks")


def test_fields_are_attributes_and_items(kd: Debugger) -> None:
    process = kd.struct("nt!_EPROCESS", "@$proc")
    assert process.ImageFileName == "Idle"
    assert process["imagefilename"] == process.imagefilename == "Idle"
    assert process.address == kd.evaluate("@$proc")
    assert process.raw("ImageFileName")[:5] == b"Idle\0"
    assert process["Pcb.Header.Type"] == process.Pcb.Header.Type == kd.read_u8(process.address)
    assert "ImageFileName" in dir(process)
    with pytest.raises(AttributeError, match="_EPROCESS has no field 'NoSuch'"):
        _ = process.NoSuch
    with pytest.raises(KeyError):
        _ = process["Pcb.NoSuch"]


def test_a_struct_is_read_in_one_piece(kd: Debugger) -> None:
    kd.step(1)
    before = len(kd.packets().query("api == 'ReadVirtualMemory'"))
    process = kd.struct("nt!_EPROCESS", "nt!PsIdleProcess")
    read = len(kd.packets().query("api == 'ReadVirtualMemory'"))
    assert read - before <= 2 * 5  # requests and answers for 2.6 KB in half pages, and the expression's own
    process.to_dict()
    assert len(kd.packets().query("api == 'ReadVirtualMemory'")) == read


def test_pointers_are_numbers_that_lead_on(kd: Debugger) -> None:
    thread = kd.struct("nt!_KTHREAD", "@$thread")
    process = thread.Process
    assert isinstance(process, TypedPointer)
    assert process == kd.evaluate("@$proc")
    assert process.type_name == "_KPROCESS"
    assert process.deref().Header.Type == process.Header.Type == process["Header.Type"]
    assert "Header" in dir(process)
    with pytest.raises(AttributeError):
        _ = process.NoSuch
    with pytest.raises(ExpressionError, match="nothing to read"):
        thread.InitialStack.deref()
    with pytest.raises(MemoryReadError):
        TypedPointer(0x10, thread._source, process._target).deref().raw("Header")


def test_lists_are_walked_to_their_structs(kd: Debugger, processes: StructList) -> None:
    names = [process.ImageFileName for process in processes]
    assert names[0] == "System"
    assert len(processes) == len(names) > 2
    assert processes[0].UniqueProcessId == 4
    assert processes[1:].addresses == processes.addresses[1:]
    threads = processes[0].walk("ThreadListHead", "nt!_ETHREAD", "ThreadListEntry")
    assert len(threads) > 0
    assert all(thread["Tcb.Process"] == processes[0].address for thread in threads)
    frame = processes.df
    assert list(frame.ImageFileName) == names
    assert list(frame.address) == list(processes.addresses)  # no float has rounded them


def test_strings_are_read_through_their_buffer(kd: Debugger) -> None:
    modules = kd.list("nt!PsLoadedModuleList", "nt!_KLDR_DATA_TABLE_ENTRY", "InLoadOrderLinks")
    assert [module.BaseDllName.string() for module in modules][:2] == ["ntoskrnl.exe", "disk.sys"]


def test_a_struct_shows_as_dt_does(kd: Debugger) -> None:
    entry = kd.struct("nt!_LIST_ENTRY", "nt!PsActiveProcessHead")
    (shown,) = kd.execute("dt nt!_LIST_ENTRY nt!PsActiveProcessHead")
    assert repr(entry).split("\n", 1)[1] == str(shown)
    assert "<table>" in entry._repr_mimebundle_()["text/html"]
    assert entry.to_dict() == {"Flink": entry.Flink, "Blink": entry.Blink}
    assert list(entry.df["value"]) == [entry.Flink, entry.Blink]
    assert pickle.loads(pickle.dumps(entry.to_dict())) == entry.to_dict()


def test_objects_of_an_earlier_stop_keep_what_they_read_and_refuse_to_read_more(kd: Debugger) -> None:
    thread = kd.struct("nt!_KTHREAD", "@$thread")
    kd.step(1)
    assert thread.Process > 0
    assert "+0x220 Process" in repr(thread)
    with pytest.raises(StaleError, match="earlier stop"):
        thread.Process.deref()


def test_what_cant_be_read_is_said(kd: Debugger) -> None:
    with pytest.raises(MemoryReadError, match="0x10"):
        kd.struct("nt!_LIST_ENTRY", 0x10)
    with pytest.raises(UnknownNameError, match=r"Symbol nt!_EPROCES not found; did you mean nt!_EPROCESS"):
        kd.struct("nt!_EPROCES", 0)
    with pytest.raises(UnknownNameError, match="no module"):
        kd.struct("nosuch!_X", 0)


def test_types_are_values(kd: Debugger) -> None:
    layout = kd.types["nt!_EPROCESS"]
    assert isinstance(layout, TypeDump)
    assert layout.offset("ImageFileName") == 0x5A8
    assert layout.size == kd.evaluate("@@c++(sizeof(nt!_EPROCESS))")
    assert {"nt!_KPCR", "nt!_KPRCB"} <= set(kd.types.search("nt!_KP*"))
    assert "nt!_EPROCESS" in kd.types
    assert "nt!_NOSUCH" not in kd.types
    assert "nt!_EPROCESS" in kd.types._ipython_key_completions_()


def test_enum_values_have_names() -> None:
    assert repr(EnumValue(2, "KernelMode")) == "<KernelMode: 2>"
    assert EnumValue(2, "KernelMode") == 2
