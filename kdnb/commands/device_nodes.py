"""`!devnode`: the Plug and Play device tree (the command reference, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.device_nodes import describe_tree
from kdnb.errors import UnsupportedError

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

RESOURCES = 0xE
PENDING = {1: "removals", 2: "ejects"}


@command(
    "!devnode",
    summary="Show a node of the device tree, or the whole tree.",
    syntax="!devnode [Address [Flags [Service]]]",
    details="Address is a device node or its device object; 0 or nothing is the root. Flags: 1 all nodes below it, 10 "
    "only nodes that are not started, 20 only nodes with a problem. With a Service only its nodes are shown, with flag "
    "1 and what is below them. Resources (flags 2, 4 and 8) and the lists of pending removals (!devnode 1) and ejects "
    "(!devnode 2) are not shown.",
    examples=("!devnode", "!devnode 0 1", "!devnode 0 1 disk", "!devnode 0 21"),
    tier="B",
)
def show_device_node(session: Session, arguments: Arguments) -> Result:
    """One node, or a tree of them."""
    address = arguments.expression(0) & session.address_mask
    flags = arguments.expression(0)
    service = arguments.quoted() or arguments.word()
    arguments.finish()
    if address in PENDING:
        raise UnsupportedError(
            f"pending {PENDING[address]} are not listed", "!devnode 0 1 shows the state of all nodes"
        )
    if flags & RESOURCES:
        raise UnsupportedError("resources of device nodes are not decoded", "!devnode 0 1; dt nt!_DEVICE_NODE")
    return describe_tree(session, address, flags, service)
