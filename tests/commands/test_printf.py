"""`.printf` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (r'"plain\n"', "plain"),
        (r'"%d %u %x %X %o\n", 0n-5, 5, ff, ff, 8', "-5 5 ff FF 10"),
        (r'"%08x|%8x|%-8x|\n", ff, ff, ff', "000000ff|      ff|ff      |"),
        (r'"%x %I64x\n", 1`00000002, 1`00000002', "2 100000002"),
        (r'"%p\n", nt', "fffff800`41e00000"),
        (r'"%p %N\n", 5, 5', "00000000`00000005 0000000000000005"),
        (r'"%c%c %%\n", 41, 42', "AB %"),
        (r'"%y\n", nt!KeBugCheckEx', None),
        (r'"%ma\n", nt+4e', None),
        (r'"%ma\n", 0', "????"),
        (r'"%f\n", 3fc00000', "1.500000"),
        (r'"a\tb \"q\"\n"', 'a\tb "q"'),
    ],
)
def test_values_are_put_into_the_text(session: Session, arguments: str, expected: str | None) -> None:
    (value,) = execute(session, f".printf {arguments}")
    assert isinstance(value, Text)
    assert value.ends_line
    if expected is not None:
        assert to_text(value) == expected


def test_symbols_and_strings(session: Session) -> None:
    assert to_text(execute(session, r'.printf "%y", nt!KeBugCheckEx+3')[0]).startswith("nt!KeBugCheckEx+0x3 (fffff800`")
    entry = session.evaluate("poi(nt!PsLoadedModuleList)")
    assert to_text(execute(session, f'.printf "%msu", 0x{entry + 0x58:x}')[0]).lower() == "ntoskrnl.exe"


def test_no_line_end_is_added(session: Session) -> None:
    (value,) = execute(session, '.printf "no end"')
    assert isinstance(value, Text)
    assert not value.ends_line


def test_missing_values_are_one_clear_line(session: Session) -> None:
    for text in ('.printf "%d"', ".printf", ".printf %d"):
        with pytest.raises(CommandError):
            execute(session, text)
