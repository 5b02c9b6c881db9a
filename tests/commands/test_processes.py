"""`!process !thread !stacks !running .process .thread`: the layouts of the command reference, 7.10."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError, KdnbError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def run(session: Session, text: str) -> str:
    return "\n".join(to_text(result) for result in execute(session, text))


def test_process_0_0_has_windbgs_layout(session: Session) -> None:
    shown = run(session, "!process 0 0").split("\n")
    assert shown[0] == "**** NT ACTIVE PROCESS DUMP ****"
    assert re.fullmatch(r"PROCESS [0-9a-f]{16}", shown[1])
    assert shown[2] == "    SessionId: none  Cid: 0004    Peb: 00000000  ParentCid: 0000"
    assert re.fullmatch(r"    DirBase: [0-9a-f]{8}  ObjectTable: [0-9a-f]{16}  HandleCount:   1\.", shown[3])
    assert shown[4:6] == ["    Image: System", ""]


def test_flags_add_details_threads_and_stacks(session: Session) -> None:
    assert "THREAD" not in run(session, "!process 0 1 smss.exe")
    waits = run(session, "!process 0 2 smss.exe")
    assert "WAIT: (UserRequest) UserMode Non-Alertable" in waits
    assert "Owning Process" not in waits
    whole = run(session, "!process 188 7")
    assert "        Owning Process            " in whole
    assert "nt!PspWaitingThread" in whole
    assert whole.index("ActiveThreads") < whole.index("THREAD")


def test_a_running_thread_names_its_processor_and_its_stack(session: Session) -> None:
    shown = run(session, "!thread").split("\n")
    assert shown[0].endswith("RUNNING on processor 0")
    assert shown[2].endswith("Image:         Idle")
    assert any("Child-SP          RetAddr               : Args to Child" in line for line in shown)
    assert run(session, "!thread -1 0").count("\n") == 0


def test_thread_scope_ends_with_thread(session: Session) -> None:
    waiter = session.processes.describe(session.processes.find("smss.exe"), 2).threads[0].address
    assert run(session, f".thread {waiter:x}").startswith("Implicit thread is now ")
    assert "Last set context:" in run(session, "r")
    assert "nt!PspWaitingThread" in run(session, "k")
    run(session, ".thread")
    assert "nt!PspWaitingThread" not in run(session, "k")


def test_overviews(session: Session) -> None:
    stacks = run(session, "!stacks 1 PspWaitingThread").split("\n")
    assert stacks[0] == "Proc.Thread  .Thread  Ticks   ThreadState Blocker"
    assert any("Blocked    nt!KiSwapContext+" in line for line in stacks)
    assert not any("System]" in line for line in stacks)
    running = run(session, "!running -i")
    idle = re.search(r"  Idle Processors:  \(([0-9a-f]{16})\)$", running, re.MULTILINE)
    rows = re.findall(r"^ +(\d+) +[0-9a-f]{16} +([0-9a-f]{16}) \(.*? ([0-9a-f]{16}) +\.{16}$", running, re.MULTILINE)
    assert idle is not None
    assert [row[0] for row in rows] == ["0", "1"]
    assert int(idle[1], 16) == sum(1 << int(number) for number, current, own in rows if current == own)
    assert running.count("................") == 2  # with -i those that idle as well


@pytest.mark.parametrize(
    "text", ["!process 77777", "!thread nt", "!teb", ".process nt", "!object \\None", "!drvobj none"]
)
def test_what_is_not_there_is_said_in_one_line(session: Session, text: str) -> None:
    with pytest.raises((CommandError, KdnbError)) as caught:
        run(session, text)
    assert "\n" not in str(caught.value)
