"""`!gflag !ioctldecode !obja !address` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.decoded import AddressUsage, ObjectAttributes

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def shown(session: Session, text: str) -> list[str]:
    return "\n".join(to_text(result) for result in execute(session, text)).split("\n")


def test_global_flags_are_set_cleared_and_told_by_name(session: Session) -> None:
    before = session.evaluate("dwo(nt!NtGlobalFlag)")
    try:
        assert shown(session, "!gflag 0") == ["New NtGlobalFlag contents: 0x00000000"]
        assert shown(session, "!gflag +ptg")[1] == "    ptg - Enable pool tagging"
        assert shown(session, "!gflag +100")[0] == "New NtGlobalFlag contents: 0x00000500"
        assert session.evaluate("dwo(nt!NtGlobalFlag)") == 0x500
        shown(session, "!gflag -ptc")
        assert shown(session, "!gflag")[0] == "Current NtGlobalFlag contents: 0x00000400"
    finally:
        execute(session, f"!gflag 0x{before:x}")
    assert "0x00000400 ptg - Enable pool tagging" in shown(session, "!gflag -?")
    session.read_only = True
    assert shown(session, "!gflag")
    for wrong in ("!gflag +ptg", "!gflag 5", "!gflag +zzz", "!gflag 1 2", "!gflag 100000000"):
        with pytest.raises(CommandError):
            execute(session, wrong)


def test_a_control_code_is_taken_apart(session: Session) -> None:
    assert shown(session, "!ioctldecode 0x1280ce") == [
        "Device Type    : 0x12 (FILE_DEVICE_NETWORK)",
        "Method         : 0x2 METHOD_OUT_DIRECT",
        "Access         : FILE_WRITE_ACCESS",
        "Function       : 0x33",
    ]
    assert "(FILE_DEVICE_USB)" in shown(session, "!ioctldecode 220003")[0]
    with pytest.raises(CommandError, match="Range error"):
        execute(session, "!ioctldecode 123456789")


def test_the_attributes_of_a_call_name_what_it_opens(session: Session) -> None:
    execute(session, "g nt!NtCreateFile")
    (found,) = execute(session, "!obja @r8")
    assert isinstance(found, ObjectAttributes)
    assert found.name.startswith("\\")
    lines = to_text(found).split("\n")
    assert lines[0] == f"Obja +{session.registers.get('r8'):016x} at {session.registers.get('r8'):016x}:"
    assert f"        Name is {found.name}" in lines
    assert "        OBJ_CASE_INSENSITIVE" in lines


@pytest.mark.parametrize(
    ("where", "usage"),
    [
        ("nt+1000", "Image"),
        ("nt!NtGlobalFlag", "Image"),
        ("@rsp", "Stack"),
        ("poi(nt!PsActiveProcessHead)", "NonpagedPool"),
        ("fffff780`00000014", "SharedUserData"),
        ("ffffdead`00000000", "<unknown>"),
    ],
)
def test_an_address_tells_what_it_is_used_for(session: Session, where: str, usage: str) -> None:
    execute(session, "g nt!NtCreateFile")
    (found,) = execute(session, f"!address {where}")
    assert isinstance(found, AddressUsage)
    assert found.usage == usage
    if found.start is not None and found.end is not None:
        assert found.start <= found.address < found.end
    text = to_text(found)
    assert text.startswith(f"Usage:                  {usage}")
    assert ("PAGE_" in text) == (usage != "<unknown>")
    for command in found.commands:
        if not command.startswith("dt"):  # the guest's PDB has no such type
            execute(session, command)


def test_protection_is_that_of_the_page(session: Session) -> None:
    (code,), (data,) = execute(session, "!address nt!KeBugCheckEx"), execute(session, "!address nt!NtGlobalFlag")
    assert isinstance(code, AddressUsage)
    assert isinstance(data, AddressUsage)
    assert (code.protection, data.protection) == ("PAGE_EXECUTE_READ", "PAGE_READWRITE")


def test_user_addresses_are_those_of_the_process_that_is_seen(session: Session) -> None:
    execute(session, ".process /p 1044")
    shown_lines = shown(session, "!address 7ffa10001310")
    assert "ntdll.dll" in "\n".join(shown_lines)
    with pytest.raises(CommandError, match="Syntax error"):
        execute(session, "!address")
    with pytest.raises(CommandError, match="Syntax error"):
        execute(session, "!address -summary")
