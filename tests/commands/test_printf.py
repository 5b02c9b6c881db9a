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
        (r'"%lf %8.2lf %g\n", 3ff8000000000000, 3ff8000000000000, 3fc00000', "1.500000     1.50 1.5"),
        (r'"%+d|% d|%#x|%#o|%5.3d|%.3x|%05d|%-5d|\n", 5, 5, 5, 8, 5, 5, 5, 5', "+5| 5|0x5|010|  005|005|00005|5    |"),
        (r'"%*d|%-*d|%.*x\n", 4, 5, 4, 5, 3, 5', "   5|5   |005"),
        (r'"%hx %hhx %I32x %Ix %lld\n", 12345, 12345, -1, -1, -1', "2345 45 ffffffff ffffffffffffffff -1"),
        (r'"%C\n", 41', "A"),
        (r'/D "<link cmd=\"dt %p\">a &lt; %p</link>\n", 5, 6', "a < 00000000`00000006"),
        (r'/oe "err %d\n", 1', "err 1"),
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
    for text in ('.printf "%d"', ".printf", ".printf %d", r'.printf "%z\n", 1', '.printf /q "x"', '.printf "%*d", 5'):
        with pytest.raises(CommandError):
            execute(session, text)


def test_a_symbol_comes_with_its_source_line(session: Session) -> None:
    text = to_text(execute(session, r'.printf "%ly", nt!KeBugCheckEx+3')[0])
    assert text.startswith("nt!KeBugCheckEx+0x3 (fffff800`")
    assert " [ke.c @ " in text
    assert "[" not in to_text(execute(session, r'.printf "%ly", nt!KiClockInterrupt')[0])


def test_markup_of_the_target_is_no_markup(session: Session) -> None:
    shown = to_text(execute(session, r'.printf /D "<b>%c%c%c</b>", 3c, 62, 3e')[0])
    assert shown == "<b>"
