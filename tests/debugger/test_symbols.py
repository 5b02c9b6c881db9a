"""Names and addresses over all modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_names_are_found_in_either_case_with_and_without_their_module(session: Session) -> None:
    address = session.symbols.lookup("nt!KeBugCheckEx")
    assert address is not None
    assert session.symbols.lookup("NT!kebugcheckex") == address
    assert session.symbols.lookup("KeBugCheckEx") == address
    assert session.symbols.lookup("ntfs") == session.modules["ntfs"].base
    assert session.symbols.lookup("nt!Nothing") is None
    assert session.symbols.lookup("none!KeBugCheckEx") is None


def test_a_bare_name_does_not_load_the_symbols_of_every_module(session: Session) -> None:
    assert session.symbols.lookup("SurelyNowhere") is None
    assert session.modules["disk"].symbol_status == "deferred"


def test_addresses_become_names_with_displacement(session: Session) -> None:
    address = session.evaluate("nt!KeBugCheckEx")
    assert session.symbols.format(address) == "nt!KeBugCheckEx"
    assert session.symbols.format(address + 0x10) == "nt!KeBugCheckEx+0x10"
    assert session.symbols.format(0x7FFE0000) == "0x00000000`7ffe0000"
    assert session.symbols.name_at(0x7FFE0000) is None
    nearest = session.symbols.nearest(session.modules["nt"].base)
    assert nearest is not None
    assert nearest.text == "nt"


def test_patterns_find_symbols_in_address_order(session: Session) -> None:
    found = session.symbols.search("nt!KeBugCheck*")
    assert found == sorted(found)
    assert "nt!KeBugCheckEx" in [name for _, name in found]
    assert session.symbols.search("nt!kebugcheckex") == [(session.evaluate("nt!KeBugCheckEx"), "nt!KeBugCheckEx")]
    assert len(session.symbols.search("nt!*", limit=5)) == 5
    assert {name.split("!")[0] for _, name in session.symbols.search("d*!*")} == {"disk"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("nt!KeBugChekEx", "nt!KeBugCheckEx"), ("KeBugChekEx", "nt!KeBugCheckEx"), ("dsik!x", "disk!x")],
)
def test_mistyped_names_have_neighbours(session: Session, typed: str, meant: str) -> None:
    assert meant in session.symbols.near(typed)


def test_another_symbol_path_is_used_at_the_next_look(session: Session) -> None:
    assert session.modules["nt"].symbols.source == "pdb symbols"
    session.symbols.set_path("")
    assert session.modules["nt"].symbols.source == "export symbols"
    assert session.symbols.lookup("nt!KeBugCheckEx") is not None


def test_instructions_carry_the_number_of_a_breakpoint(session: Session) -> None:
    session.breakpoints.add("nt!KeBugCheckEx")
    first, second = session.disassemble(session.evaluate("nt!KeBugCheckEx"), 2)
    assert (first.breakpoint, second.breakpoint) == (0, None)
    assert first.label == "nt!KeBugCheckEx"


def test_code_before_an_address_ends_there(session: Session) -> None:
    after = session.disassemble(session.evaluate("nt!KeBugCheckEx"), 4)
    before = session.disassemble_before(after[3].address, 3)
    assert [i.address for i in before] == [i.address for i in after[:3]]
