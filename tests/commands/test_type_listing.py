"""Types by patterns, from a PDB without a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.type_listing import type_layout
from kdnb.errors import UnknownNameError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session
    from kdnb.symbols.types import TypeTable


@pytest.fixture
def types(session: Session) -> TypeTable:
    kernel = session.modules.kernel
    assert kernel is not None
    assert kernel.types is not None
    return kernel.types


def test_a_layout_needs_no_target(types: TypeTable) -> None:
    assert to_text(type_layout(types, "_LIST_ENTRY Flink")) == "   +0x000 Flink            : Ptr64 _LIST_ENTRY"
    assert "_LIST_ENTRY" in to_text(type_layout(types, "_LIST*"))


def test_what_is_not_there_comes_with_near_names(types: TypeTable) -> None:
    with pytest.raises(UnknownNameError, match="no type matches"):
        type_layout(types, "_NOSUCH*")
    with pytest.raises(UnknownNameError) as error:
        type_layout(types, "_LIST_ENTRIE")
    assert "_LIST_ENTRY" in error.value.hint
