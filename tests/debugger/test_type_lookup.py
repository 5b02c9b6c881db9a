"""Which type a name means, on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.type_lookup import TypeLookup
from kdnb.errors import UnknownNameError, UnsupportedError

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_a_bare_name_is_the_kernels_first_and_loads_no_other_symbols(session: Session) -> None:
    lookup = TypeLookup(session)
    found = lookup.find("_DEVICE_OBJECT")
    assert found is not None
    assert found.name == "nt!_DEVICE_OBJECT"
    assert lookup.find("_NO_SUCH_TYPE") is None
    assert session.modules["disk"].symbol_status == "deferred"
    assert lookup.require("disk!_DEVICE_OBJECT").module.name == "disk"
    assert lookup.require("struct _LIST_ENTRY").type == lookup.require("nt!list_entry").type


def test_variables_are_found_by_name_and_by_address(session: Session) -> None:
    lookup = TypeLookup(session)
    head = lookup.variable("nt!psactiveprocesshead")
    assert head is not None
    assert head.address == session.evaluate("nt!PsActiveProcessHead")
    assert lookup.variable_at(head.address) == head
    assert lookup.variable_at(head.address + 1) is None
    assert lookup.variable_at(0x10) is None
    assert [one.name for one in lookup.search_variables("nt!PsActive*")] == ["PsActiveProcessHead"]


def test_names_are_searched_over_modules(session: Session) -> None:
    found = TypeLookup(session).search("*!_LIST_ENTRY")
    assert {"nt!_LIST_ENTRY", "disk!_LIST_ENTRY"} <= set(found)


def test_what_is_missing_is_named(session: Session) -> None:
    lookup = TypeLookup(session)
    with pytest.raises(UnknownNameError, match="there is no module nosuch; lm"):
        lookup.require("nosuch!_X")
    with pytest.raises(UnknownNameError, match=r"Symbol nt!_EPROCES not found; did you mean nt!_.*PROCESS"):
        lookup.require("_EPROCES")
    session.symbols.set_path("/nowhere")
    with pytest.raises(UnsupportedError, match=r"no types are known for nt: .*; \.sympath"):
        lookup.require("_EPROCESS")
