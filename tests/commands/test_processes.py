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


def test_a_flag_hides_the_arguments_of_frames(session: Session) -> None:
    assert "Args to Child" in run(session, "!process 188 7")
    bare = run(session, "!process 188 f")
    assert "Args to Child" not in bare
    assert "nt!PspWaitingThread" in bare
    assert "Args to Child" not in run(session, "!thread -1 e")


def test_stacks_go_on_in_user_mode_where_the_process_is_seen(session: Session) -> None:
    process = session.processes.find("notepad.exe")
    assert "notepad!" not in run(session, f"!process {process:x} 6")
    assert "notepad!" in run(session, f"!process {process:x} 17")
    assert "notepad!" in run(session, "!process 0 17 notepad.exe")
    thread = session.processes.describe(process, 2).threads[0].address
    assert "notepad!" in run(session, f"!thread {thread:x} 16")
    assert session.address_space.process is None


def test_processes_are_chosen_by_session_and_image(session: Session) -> None:
    everybody = run(session, "!process 0 0").count("PROCESS ") - 1  # the heading says it too
    assert run(session, "!process /m notepad 0 0").count("    Image: notepad.exe") == 1
    assert run(session, "!process /m NOTEPAD.EXE 0 0").count("    Image: ") == 1
    assert "    Image: " not in run(session, "!process /m nosuch 0 0")
    with_session = run(session, "!process /s 0 0 0").count("    Image: ")
    assert with_session < everybody


def test_threads_are_found_by_id_and_shown_with_their_process(session: Session) -> None:
    thread = session.processes.describe(session.processes.find("smss.exe"), 2).threads[0]
    assert f"THREAD {thread.address:016x}" in run(session, f"!thread -t {thread.tid:x} 0")
    shown = run(session, f"!thread -p {thread.address:x} 0")
    assert shown.startswith("PROCESS ")
    assert "Image: smss.exe" in shown
    with pytest.raises(CommandError, match="there is no thread 0x7777"):
        run(session, "!thread -t 7777")
