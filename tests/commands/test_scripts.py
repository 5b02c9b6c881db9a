"""Command files on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session


def shown(session: Session, text: str) -> list[str]:
    return [found for result in execute(session, text) if (found := to_text(result))]


def test_a_file_is_run_line_by_line_or_joined(session: Session, tmp_path: Path) -> None:
    script = tmp_path / "s.txt"
    script.write_text("* a comment; k\n.echo a\n.if (1)\n{\n.echo b\n}\n.else\n{\n.echo c\n}\n")
    assert shown(session, f"$<{script}") == ["a", "b"]
    assert shown(session, f"$><{script}") == ["a", "b"]
    assert shown(session, f"$$><{script}; .echo d") == ["a", "b", "d"]


def test_a_file_takes_arguments(session: Session, tmp_path: Path) -> None:
    script = tmp_path / "s.txt"
    script.write_text(".echo ${$arg2} ${$arg1} ${$argc}\n")
    assert shown(session, f'$$>a<{script} one "two words"') == ["two words one 2"]
    assert shown(session, ".echo ${$arg1}") == ["${$arg1}"]


def test_a_file_that_cant_be_run_is_one_clear_line(session: Session, tmp_path: Path) -> None:
    script = tmp_path / "loop.txt"
    script.write_text(f"$<{script}\n")
    with pytest.raises(CommandError, match="runs itself"):
        execute(session, f"$<{script}")
    with pytest.raises(CommandError, match="Command file execution failed"):
        execute(session, "$</no/such/file")


def test_a_breakpoints_commands_touch_no_files(session: Session, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    execute(session, f'bp nt!KeUpdateSystemTime ".logopen {log}"; g')
    assert not log.exists()
