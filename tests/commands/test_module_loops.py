"""`!for_each_module` on the simulated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.errors import CommandError
from kdnb.render.text import to_text

if TYPE_CHECKING:
    from kdnb.debugger.session import Session


def texts(session: Session, command: str) -> list[str]:
    return [to_text(result) for result in execute(session, command)]


def test_each_module_fills_the_commands(session: Session) -> None:
    modules = list(session.modules)
    assert texts(session, '!for_each_module ".echo @#ModuleIndex @#ModuleName @#ImageName"') == [
        f"{index:x} {module.name} {module.image_name}" for index, module in enumerate(modules)
    ]
    assert texts(session, "!for_each_module ? ${@#End} - @#Base - @#Size") == [
        "Evaluate expression: 0 = 00000000`00000000"
    ] * len(modules)
    assert len(texts(session, "!for_each_module")) == len(modules)


def test_a_module_s_name_cannot_become_a_command(session: Session) -> None:
    module = next(iter(session.modules))
    before = module.name
    module.name = "x;bc *"
    try:
        assert texts(session, "!for_each_module .echo @#ModuleName")[0] == "x_bc__"
    finally:
        module.name = before


def test_unknown_parts_and_failing_commands_are_one_line(session: Session) -> None:
    with pytest.raises(CommandError, match="Syntax error at '@#Nosuch'"):
        execute(session, "!for_each_module .echo @#Nosuch")
    with pytest.raises(CommandError, match="Couldn't resolve"):
        execute(session, "!for_each_module ? nosuch!name")
