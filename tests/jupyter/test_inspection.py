"""Help on the command under the cursor."""

from __future__ import annotations

import pytest

from kdnb.jupyter.inspection import inspect_command


@pytest.mark.parametrize("line", ["bp nt!X", "%bp nt!X", "%kd bp", "bp?"])
def test_the_command_of_the_line_is_explained(line: str) -> None:
    found = inspect_command(f"x = 1\n{line}\ny = 2", len("x = 1\n") + 2, set())
    assert found is not None
    assert "Syntax" in found


def test_a_bound_name_is_pythons_business_unless_a_magic_asks() -> None:
    assert inspect_command("k", 1, {"k"}) is None
    assert inspect_command("%k", 2, {"k"}) is not None


def test_python_is_not_explained() -> None:
    assert inspect_command("print(1)", 3, set()) is None
