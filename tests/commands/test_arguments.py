"""Arguments, read piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.arguments import Arguments
from kdnb.errors import ExpressionError

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def test_expressions_follow_one_another(session: Session) -> None:
    arguments = Arguments(session, "1 + 1, (2) 0n3 rest")
    assert [arguments.expression() for _ in range(3)] == [2, 2, 3]
    assert arguments.word() == "rest"
    assert arguments.at_end


def test_options_come_with_or_without_a_value(session: Session) -> None:
    arguments = Arguments(session, "/c8 /p[uc] /f nt")
    assert arguments.options({"c": True, "p": False, "p[uc]": False, "f": False}) == {"c": "8", "p[uc]": "", "f": ""}
    assert arguments.rest == "nt"
    with pytest.raises(ExpressionError, match="options here: /c"):
        Arguments(session, "/z").options({"c": True})


def test_quoted_text_knows_its_escapes(session: Session) -> None:
    arguments = Arguments(session, r'"say \"hi\"\n" 5')
    assert arguments.quoted() == 'say "hi"\n'
    assert arguments.quoted() is None
    assert arguments.expression() == 5


def test_a_range_may_begin_where_the_last_one_ended(session: Session) -> None:
    assert Arguments(session, "L8").range(4, 32, start=0x1000).count == 8
    assert Arguments(session, "").range(4, 32, start=0x1000).start == 0x1000
    assert Arguments(session, "2000").range(4, 32, start=0x1000).start == 0x2000


def test_what_is_left_over_is_refused(session: Session) -> None:
    arguments = Arguments(session, "1 2", "k")
    arguments.expression()
    with pytest.raises(ExpressionError, match=r"Extra character error in '2'; \.hh k"):
        arguments.finish()
