"""`!irp` and the IRPs of `!thread`: the layouts of the command reference, 7.12."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.irps import IrpInfo, IrpLocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.session import Session

P = "[0-9a-f]{16}"


def run(session: Session, text: str) -> str:
    return "\n".join(to_text(result) for result in execute(session, text))


@pytest.fixture
def at_disk(session: Session) -> Iterator[Session]:
    """Stopped where the disk gets a request; other tests expect to find the machine idle."""
    execute(session, "bp disk!DiskDispatchReadWrite; g; bc *")
    yield session
    session.go(timeout=0.2)


def test_an_irp_has_windbgs_layout(at_disk: Session) -> None:
    shown = run(at_disk, "!irp @rdx").split("\n")
    assert re.fullmatch(rf"Irp is active with 3 stacks 2 is current \(= 0x{P}\)", shown[0])
    assert re.fullmatch(rf" No Mdl: No System Buffer: Thread {P}:  Irp stack trace\.  ", shown[1])
    assert shown[2:6] == [
        "     cmd  flg cl Device   File     Completion-Context",
        " [N/A(0), N/A(0)]",
        "            0  0 00000000 00000000 00000000-00000000    ",
        "",
    ]
    assert shown[6] == "\t\t\tArgs: 00000000 00000000 00000000 00000000"
    assert re.fullmatch(r">\[IRP_MJ_(READ\(3|WRITE\(4)\), N/A\(0\)\]", shown[7])
    assert re.fullmatch(rf"            0 e0 {P} {P} {P}-{P} Success Error Cancel ", shown[8])
    assert shown[9] == "\t       \\Driver\\disk\tntfs!NtfsSingleSyncCompletionRoutine"


def test_with_detail_the_fields_are_shown(at_disk: Session) -> None:
    shown = run(at_disk, "!irp @rdx 1")
    assert "\nStackCount = 00000003\n" in shown
    assert re.search(rf"\nTail.Overlay.CurrentStackLocation = {P}\n", shown)
    assert "IoStatus.Status" not in run(at_disk, "!irp @rdx")


def test_thread_lists_its_irps(at_disk: Session) -> None:
    shown = run(at_disk, "!thread").split("\n")
    at = shown.index("IRP List:")
    address = at_disk.evaluate("@rdx")
    assert re.fullmatch(rf"    {address:016x}: \(0006,01a8\) Flags: 00000[0-9a-f]{{3}}  Mdl: 00000000", shown[at + 1])
    assert shown[at + 2] == "Not impersonating"


def test_an_irp_is_a_table(at_disk: Session) -> None:
    (irp,) = execute(at_disk, "!irp @rdx")
    assert isinstance(irp, IrpInfo)
    assert list(irp.df.driver_name) == ["", "\\Driver\\disk", "\\Driver\\ntfs"]
    assert irp.to_dict()["locations"][1]["is_current"]


def test_a_completed_irp_and_a_minor_function() -> None:
    location = IrpLocation(1, 0x16, "IRP_MJ_POWER", 2, "IRP_MN_SET_POWER", 0, 1, 0x10, "\\Driver\\a", 0, 0, "", 0,
                           (1, 2, 3, 4), False)  # fmt: skip
    irp = IrpInfo(0x1000, 1, 2, 0x1118, 0x2000, 0x3000, 0, True, (location,), 8)
    shown = to_text(irp).split("\n")
    assert shown[1] == (
        " Mdl=0000000000002000: System buffer=0000000000003000: Thread 00000000:  Irp is completed.  "
        "Pending has been returned"
    )
    assert shown[3:5] == [
        " [IRP_MJ_POWER(16), IRP_MN_SET_POWER(2)]",
        "            0  1 00000010 00000000 00000000-00000000    pending",
    ]


@pytest.mark.parametrize("command", ["!irp", "!irp nt", "!irp 0", "!irp @rdx 1 2 3"])
def test_nonsense_is_one_clear_line(at_disk: Session, command: str) -> None:
    with pytest.raises(CommandError) as caught:
        execute(at_disk, command)
    assert "\n" not in str(caught.value)
