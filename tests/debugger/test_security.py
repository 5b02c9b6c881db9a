"""Tokens, identifiers and access lists of the simulated machine, by types and by offsets; damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.security import GROUP_LIMIT, describe_token, process_token, read_acl, read_sid
from kdnb.errors import CommandError, MemoryReadError, UnknownNameError, UnsupportedError
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.simulator.architecture import X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve
from tests.debugger.x86_target import x86_session

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session
    from kdnb.results.security import TokenInfo

PERSON = "S-1-5-21-1085031214-1563985344-725345543-1001"
"""SePersonSid in the guest's se.c."""


def token_of(session: Session, image: str) -> TokenInfo:
    process = session.processes.find(image)
    return describe_token(session, process_token(session, process), process=process)


def check(session: Session) -> None:
    system, notepad = token_of(session, "services.exe"), token_of(session, "notepad.exe")
    assert system.user is not None
    assert (system.user.text, system.user.name) == ("S-1-5-18", "NT AUTHORITY\\SYSTEM")
    assert (system.source, system.authentication_id, system.session_id) == ("*SYSTEM*", 0x3E7, 0)
    assert "SeTcbPrivilege" in {each.name for each in system if each.is_enabled}
    assert notepad.user is not None
    assert (notepad.user.text, notepad.user.name, notepad.session_id) == (PERSON, "", 1)
    assert [each.name for each in notepad if each.is_enabled] == ["SeChangeNotifyPrivilege"]
    assert [each.sid.name for each in notepad.groups if each.attributes == 0x10] == ["BUILTIN\\Administrators"]
    assert notepad.groups[-1].sid.text == "S-1-16-8192"
    assert notepad.primary_group == notepad.groups[0].sid
    assert notepad.originating_session == 0x3E7


def test_tokens_say_who_a_process_runs_as(session: Session) -> None:
    check(session)


def test_tokens_of_x86_say_the_same(tmp_path: Path) -> None:
    write_symbols(tmp_path, X86)
    with serve(architecture=X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT)
        check(session)


def test_without_types_the_offsets_of_known_builds_give_the_same() -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        check(bare)


def test_the_commands_have_windbgs_layout(session: Session) -> None:
    (token,) = execute(session, "!token")
    shown = to_text(token).split("\n")
    assert shown[0] == f"_EPROCESS 0x{session.processes.current():016x}, _TOKEN 0x{token.address:016x}"
    assert shown[1:3] == ["TS Session ID: 0", "User: S-1-5-18"]
    assert " 00 S-1-5-32-544" in shown
    assert "    Attributes - Default Enabled Owner " in shown
    assert " 07 0x000000007 SeTcbPrivilege                    Attributes - Enabled Default " in shown
    assert "Authentication ID:         (0,3e7)" in shown
    assert "Source: *SYSTEM*           TokenFlags: 0x2000 ( Token in use )" in shown
    *_, named = execute(session, ".process 1044; !token -n")
    assert f"User: {PERSON}" in to_text(named).split("\n")
    assert " 01 S-1-1-0 (Everyone)" in to_text(named)
    assert "SeChangeNotifyPrivilege" in str(to_html(named))
    assert to_text(execute(session, f"!token {token.address:x}")[0]).startswith(f"_TOKEN 0x{token.address:016x}\n")
    (sid,) = execute(session, "!sid -n poi(poi(poi(nt!SeSystemToken)+98))")
    assert str(sid) == "SID is: S-1-5-18 (NT AUTHORITY\\SYSTEM)"
    (acl,) = execute(session, "!acl poi(poi(nt!SeSystemToken)+b8)")
    lines = to_text(acl).split("\n")
    assert lines[:4] == [
        "ACL is: ",
        "ACL is: ->AclRevision: 0x2",
        "ACL is: ->AclSize    : 0x34",
        "ACL is: ->AceCount   : 0x2",
    ]
    assert "ACL is: ->Ace[1]: ->SID: S-1-5-32-544" in lines
    assert list(acl.df["sid"]) == ["S-1-5-18", "S-1-5-32-544"]
    assert "S-1-5-18" in str(to_html(acl))
    for text in ("!sid", "!acl"):
        with pytest.raises(CommandError, match="needs the address"):
            execute(session, text)


def test_process_shows_the_token_without_its_count_of_references(session: Session) -> None:
    process = session.processes.describe(session.processes.find("notepad.exe"), 1)
    assert dict(process.details)["Token"] == token_of(session, "notepad.exe").address


def test_damaged_ones_are_shown_as_far_as_they_can_be(session: Session) -> None:
    memory = session.memory
    token = session.memory.read_pointer(session.evaluate("nt!SeSystemToken"))
    fields = session.processes.records.layout("_TOKEN").fields
    count = token + fields["UserAndGroupCount"][0]
    memory.write(count, b"\xff" * 4)
    huge = describe_token(session, token)
    assert len(huge.groups) < GROUP_LIMIT
    assert "groups" in huge.note
    assert any(group.sid.note for group in huge.groups)
    memory.write(token + fields["UserAndGroups"][0], (0x10).to_bytes(8, "little"))
    lost = describe_token(session, token)
    assert (lost.user, lost.groups) == (None, ())
    assert "groups end early" in lost.note
    assert "User: (null)" in to_text(lost)
    acl = memory.read_pointer(session.evaluate("poi(nt!SeSystemToken)+b8"))
    memory.write(acl + 10, b"\xff\xff")
    broken = read_acl(session, acl)
    assert (broken.entries, broken.note) == ((), "entry 0 reaches beyond the list")
    memory.write(acl + 2, b"\xff\xff\xff\xff")
    assert read_acl(session, acl).count == 0xFFFF
    assert read_sid(session, 0x10).note == "can't read 10"
    assert read_sid(session, acl).note.startswith("no SID: revision 2")
    with pytest.raises(UnknownNameError, match="no ACL"):
        read_acl(session, session.evaluate("nt"))
    with pytest.raises(MemoryReadError):
        read_acl(session, 0x10)


def test_where_the_build_is_not_known_the_answer_says_so() -> None:
    with x86_session() as (session, _), pytest.raises(UnsupportedError, match="not known"):
        process_token(session, 0x80000000)
