"""`!lmi` and `!dh` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.images import ImageHeaders, LoadedImage

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_lmi_names_the_image_and_its_pdb(session: Session) -> None:
    (value,) = execute(session, "!lmi nt")
    assert isinstance(value, LoadedImage)
    assert value.has_types
    text = to_text(value)
    assert text.startswith("Loaded Module Info: [nt]\n         Module: nt\n   Base Address: fffff800")
    assert "   Machine Type: 34404 (X64)" in text
    assert f"Age: {value.pdb_age:x}, Pdb: " in text
    assert execute(session, f"!lmi {value.base + 0x1234:x}") == [value]


def test_dh_shows_headers_and_sections(session: Session) -> None:
    (value,) = execute(session, "!dh nt")
    assert isinstance(value, ImageHeaders)
    text = to_text(value)
    assert "    8664 machine (X64)" in text
    assert "     20B magic #" in text
    assert "SECTION HEADER #1\n   .text name" in text
    assert "SECTION" not in to_text(execute(session, "!dh -f nt")[0])
    assert "MACHINE" not in to_text(execute(session, "!dh -s nt")[0]).upper()
    assert next(iter(value.df["name"])) == ".text"
    assert to_text(execute(session, f"!dh {value.base:x}")[0]) == text


@pytest.mark.parametrize("command", ["!lmi", "!lmi 1000", "!dh", "!dh 1000"])
def test_what_is_no_image_is_said(session: Session, command: str) -> None:
    with pytest.raises(CommandError):
        execute(session, command)
