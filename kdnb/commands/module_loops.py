"""`!for_each_module`: commands for each module (the command reference, 7.14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.control import check_cancel
from kdnb.commands.declare import command
from kdnb.errors import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

SHOWN_WITHOUT_COMMAND = '.printf "%p %p @#ModuleName\\n", @#Base, @#End'
_TOKEN = re.compile(r"\$?\{?@#(\w+)\}?")
_UNSAFE = re.compile(r"[^\w.-]")


@command(
    "!for_each_module",
    summary="Run commands for each module.",
    syntax='!for_each_module ["Commands"|Commands]',
    details="@#Base @#End @#Size @#ModuleName @#ImageName @#SymbolFileName @#ModuleIndex in the commands stand for "
    "what the module has; ${@#Base} does as well. Names come from the target: what is no letter, digit, dot or dash "
    "in them becomes _.",
    examples=('!for_each_module "? @#Base"', "!for_each_module .echo @#ModuleIndex @#ModuleName @#Size"),
    tier="C",
)
def for_each_module(session: Session, arguments: Arguments) -> Iterator[Result]:
    """The commands' values, module by module."""
    quoted = arguments.quoted()
    text = arguments.all() if quoted is None else quoted
    arguments.finish()
    text = text or SHOWN_WITHOUT_COMMAND
    unknown = [found[1] for found in _TOKEN.finditer(text) if found[1].lower() not in _VALUES]
    if unknown:
        known = "@#Base @#End @#Size @#ModuleName @#ImageName @#SymbolFileName @#ModuleIndex"
        raise ExpressionError(f"Syntax error at '@#{unknown[0][:60]}'", known)
    return _run(session, arguments, text)


def _run(session: Session, arguments: Arguments, text: str) -> Iterator[Result]:
    for index, module in enumerate(list(session.modules)):
        check_cancel(session)
        yield from arguments.run(_filled(text, index, module))


def _filled(text: str, index: int, module: Module) -> str:
    return _TOKEN.sub(lambda found: _value(found[1], index, module), text)


_VALUES = ("base", "end", "size", "modulename", "imagename", "symbolfilename", "moduleindex")


def _value(name: str, index: int, module: Module) -> str:
    match name.lower():
        case "base":
            return f"0x{module.base:x}"
        case "end":
            return f"0x{module.end:x}"
        case "size":
            return f"0x{module.size:x}"
        case "moduleindex":
            return f"{index:x}"
        case "modulename":
            return _UNSAFE.sub("_", module.name)
        case "imagename":
            return _UNSAFE.sub("_", module.image_name)
    return _UNSAFE.sub("_", re.split(r"[/\\\\]", module.symbol_file)[-1]) or "-"
