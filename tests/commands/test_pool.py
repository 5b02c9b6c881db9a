"""`!pool !poolused !poolfind !irpfind`: the layouts of the command reference, 7.11 and 7.12."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.irps import FoundIrp, FoundIrps
from kdnb.results.pool import LargeAllocation, PoolPage, PoolUsage

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

P = "[0-9a-f]{16}"


def run(session: Session, text: str) -> str:
    return "\n".join(to_text(result) for result in execute(session, text))


def test_a_page_has_windbgs_layout(session: Session) -> None:
    shown = run(session, "!pool @$proc").split("\n")
    assert re.fullmatch(rf"Pool page {P} region is Nonpaged pool", shown[0])
    at = next(index for index, line in enumerate(shown) if line.startswith("*"))
    assert re.fullmatch(
        rf"\*{P} size:  [0-9a-f]{{3}} previous size: [ 0-9a-f]{{4}}  \(Allocated\) \*Proc \(Protected\)", shown[at]
    )
    assert shown[at + 1] == "\t\tPooltag Proc : Process objects, Binary : nt!ps"
    assert all(line.startswith((" ", "*", "\t")) for line in shown[1:])


def test_contents_and_only_the_block(session: Session) -> None:
    shown = run(session, "!pool @$proc 3").split("\n")
    assert len(shown) == 6
    assert re.fullmatch(rf" {P}  [0-9a-f]{{8}} [0-9a-f]{{8}} [0-9a-f]{{8}} [0-9a-f]{{8}}", shown[3])
    (page,) = execute(session, "!pool @$proc 2")
    assert isinstance(page, PoolPage)
    assert list(page.df.tag) == ["Proc"]
    assert not page.blocks[0].data


def test_large_allocations_and_free_blocks() -> None:
    page = PoolPage(0xFFFFC98000101800, "Nonpaged pool", (), 8, LargeAllocation(0xFFFFC98000100000, 0x3000, "Zzzz"))
    assert to_text(page).split("\n")[1:] == [
        "*ffffc98000100000 : large page allocation, tag is Zzzz, size is 0x3000 bytes",
        "\t\tOwning component : Unknown",
    ]


def test_poolused_has_windbgs_layout(session: Session) -> None:
    shown = run(session, "!poolused 2").split("\n")
    assert shown[:6] == [
        " Sorting by NonPaged Pool Consumed",
        "",
        "               NonPaged                  Paged",
        " Tag     Allocs         Used     Allocs         Used",
        "",
        shown[5],
    ]
    (threads,) = (line for line in shown if line.startswith(" Thre"))
    assert re.fullmatch(r" Thre {8}\d{2} {8}\d{5}          0            0\tThread objects, Binary : nt!ps", threads)
    assert shown[-1].startswith("TOTAL ")
    assert " Bugg         4 " in run(session, "!poolused")
    assert "UNKNOWN pooltag 'Bugg'" in run(session, "!poolused 0 Bugg")


def test_poolused_verbose_has_allocations_and_frees(session: Session) -> None:
    head, row = (line for line in run(session, "!poolused 1 Irp").split("\n") if line.startswith((" Tag", " Irp")))
    assert [head.index(name) + len(name) for name in ("Allocs", "Frees", "Diff", "Used")] == [
        found.end() for found in re.finditer(r"\d+", row)
    ][:4]


def test_poolused_is_a_table(session: Session) -> None:
    (usage,) = execute(session, "!poolused")
    assert isinstance(usage, PoolUsage)
    frame = usage.df.set_index("tag")
    assert frame.loc["Proc"].nonpaged_count == 7


def test_poolfind_lists_blocks(session: Session) -> None:
    shown = run(session, "!poolfind Bugg").split("\n")
    assert shown[0].endswith(" for tag Bugg")
    assert len(shown) == 6
    assert all(line.endswith("(Allocated) Bugg") for line in shown[2:])
    assert run(session, "!poolfind 0x67677542").split("\n")[2:] == shown[2:]


def test_irpfind_lists_pending_irps_by_criteria(session: Session) -> None:
    execute(session, "bp disk!DiskDispatchReadWrite; g; bc *")
    (found,) = execute(session, "!irpfind 0 0 device poi(buggy!BuggyDevice)")
    assert isinstance(found, FoundIrps)
    assert {irp.driver_name for irp in found} == {"\\Driver\\buggy"}
    assert len(found) == 2
    (thread,) = execute(session, f"!irpfind -v 0 0 thread {found.irps[0].thread:x}")
    assert isinstance(thread, FoundIrps)
    assert [irp.address for irp in thread] == [found.irps[0].address]
    assert [whole.address for whole in thread.details] == [found.irps[0].address]
    (rest,) = execute(session, f"!irpfind 0 {found.irps[1].address & ~0xFFF:x}")
    assert isinstance(rest, FoundIrps)
    assert found.irps[1].address in [irp.address for irp in rest]
    session.go(timeout=0.2)  # other tests expect to find the machine idle
    shown = to_text(found).split("\n")
    assert shown[2] == "  Irp            [ Thread         ]irpStack: (Mj,Mn)   DevObj           [Driver]         MDL"
    assert re.fullmatch(rf"{P} \[{P}\] irpStack: \( 3, 0\)  {P} \[ \\Driver\\buggy\]", shown[3])


def test_a_completed_irp_in_a_list() -> None:
    found = FoundIrps((FoundIrp(0x1000, 0, 2, 3, 0, 0, 0, "", 0x2000),), "nonpaged pool", 0, 0x10000, 4)
    assert to_text(found).split("\n")[3] == (
        "00001000 [00000000] Irp is complete (CurrentLocation 3 > StackCount 2) 0x00002000"
    )


@pytest.mark.parametrize(
    "command",
    ["!pool", "!pool 0", "!poolfind", "!poolfind 0xzz", "!poolfind 0x1234567890", "!poolfind Abcd 2", "!poolused 0 a b",
     "!irpfind 0 0 colour 3", "!irpfind 4", "!fileobj", "!fileobj nt"],
)  # fmt: skip
def test_nonsense_is_one_clear_line(session: Session, command: str) -> None:
    with pytest.raises(CommandError) as caught:
        execute(session, command)
    assert "\n" not in str(caught.value)


def test_a_file_object_has_windbgs_layout(session: Session) -> None:
    shown = run(session, "!fileobj poi(poi(poi(buggy!BuggyDevice)+20)+c0)").split("\n")
    assert shown[0] == "\\Device\\Buggy"
    assert re.fullmatch(rf"Device Object: 0x{P}   \\Driver\\buggy", shown[2])
    assert shown[5:9] == ["", "Flags:  0x40002", "\tSynchronous IO", "\tHandle Created"]
