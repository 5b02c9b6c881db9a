"""The reference page of all wire structures, rendered from their declarations.

`python -m kdnb.protocol.reference > docs/reference/messages.md` writes the page; a test compares it.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import TYPE_CHECKING

from kdnb.protocol.constants import NO_REPLY, Api
from kdnb.protocol.messages.manipulate import BODY_TYPES
from kdnb.protocol.wire import Structure

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["page"]

# Module, and the offset at which the offsets of its structures begin: unions count from the start of the payload.
MODULES: tuple[tuple[str, dict[str, int]], ...] = (
    (
        "messages.state_change",
        {"ExceptionRecord64": 0x20, "LoadSymbols": 0x20, "CommandString": 0x20, "RawUnion": 0x20},
    ),
    (
        "messages.control_report",
        {"ControlReportAmd64": 0xC0, "ControlReportX86": 0xC0, "ControlReportArm": 0xC0, "RawReport": 0xC0},
    ),
    ("messages.state_change32", {"ExceptionRecord32": 0x14, "LoadSymbols32": 0x14, "RawUnion32": 0x14}),
    ("messages.manipulate", {}),
    ("messages.memory", {}),
    ("messages.get_context", {}),
    ("messages.breakpoints", {}),
    ("messages.execution", {}),
    ("messages.io", {}),
    ("messages.search", {}),
    ("messages.version", {}),
    ("messages.debug_io", {}),
    ("messages.file_io", {"CreateFileBody": 8, "FileTransferBody": 8, "CloseFileBody": 8, "RawFileBody": 8}),
    ("messages.trace_io", {}),
    ("context.x86", {}),
    ("context.amd64", {}),
    ("context.arm64", {}),
    ("context.arm", {}),
)
MANIPULATE_UNION = 0x10

HEAD = """\
# Messages

<!-- Made by `python -m kdnb.protocol.reference`; edit the declarations instead. -->

Every fixed structure of the protocol as kdnb declares it. Offsets and sizes are hexadecimal and little-endian.
The unions of a payload count from the start of the payload; registers count from the start of their record.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD, api_table()]
    for name, bases in MODULES:
        module = importlib.import_module(f"kdnb.protocol.{name}")
        parts.append(f"## {first_line(module)}\n")
        parts += [structure_table(structure, base_of(structure, bases)) for structure in structures_of(module)]
    return "\n".join(parts)


def first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0].removesuffix(".")


def structures_of(module: ModuleType) -> list[type[Structure]]:
    """The structures that a module declares, in its order."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Structure) and value.__module__ == module.__name__
    ]


def base_of(structure: type[Structure], bases: dict[str, int]) -> int:
    """Where offsets begin: the forms of the STATE_MANIPULATE union are known by their name and size."""
    is_union = structure.SIZE == 40 and not structure.__module__.startswith("kdnb.protocol.context")
    return MANIPULATE_UNION if is_union else bases.get(structure.__name__, 0)


def api_table() -> str:
    """Number, name, union and reply of every STATE_MANIPULATE API."""
    rows = ["## STATE_MANIPULATE APIs\n", "| number | api | union | reply |", "|---|---|---|---|"]
    for api in Api:
        form = "one for each machine" if api is Api.Continue2 else BODY_TYPES[api].__name__
        rows.append(f"| {api.value:X} | {api.name} | {form} | {'no' if api in NO_REPLY else 'yes'} |")
    return "\n".join(rows) + "\n"


def structure_table(structure: type[Structure], base: int) -> str:
    """Heading, description and fields of one structure."""
    rows = [f"### {structure.__name__} ({structure.SIZE:X} bytes)\n", first_line(structure) + ".\n"]
    rows += ["| @ | type | field | wire name | meaning |", "|---|---|---|---|---|"]
    for offset, name, field in structure.layout().place():
        wire_name = field.wire_name or "-"
        rows.append(f"| {base + offset:02X} | {field.kind} | `{name}` | {wire_name} | {field.meaning} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
