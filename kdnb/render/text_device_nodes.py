"""Text of device nodes: `!devnode`, and the end of `!devstack` (the command reference, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.device_nodes import USER_FLAGS, flag_names
from kdnb.render.lines import lines
from kdnb.results.device_nodes import DeviceTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.results.device_nodes import DeviceNode

__all__ = ["flag_lines"]

PER_LINE = 2


def flag_lines(name: str, flags: int, names: tuple[str, ...]) -> Iterator[str]:
    """Flags with the names of their bits, some in a line and those below each other."""
    head = f"{name} (0x{flags:08x})  "
    for at in range(0, max(len(names), 1), PER_LINE):
        part = ", ".join(names[at : at + PER_LINE])
        more = ", " if at + PER_LINE < len(names) else ""
        yield f"{head if at == 0 else '':{len(head)}}{part}{more}"


@lines.register(DeviceTree)
def _tree(value: DeviceTree) -> Iterator[str]:
    if value.root:
        yield f"Dumping IopRootDeviceNode (= 0x{value.root:0{2 * value.address_size}x})"
    for node in value:
        indent = "  " * node.depth
        yield from (indent + line for line in _node(node, value.address_size, brief=value.with_children))
    if not value.nodes:
        yield "no such device node"
    if value.note:
        yield f"WARNING: {value.note}"


def _node(node: DeviceNode, size: int, *, brief: bool) -> Iterator[str]:
    yield f"DevNode {_pointer(node.address, size)} for PDO {_pointer(node.physical_device, size)}"
    if not brief:
        yield (
            f"  Parent {_pointer(node.parent, size)}   Sibling {_pointer(node.sibling, size)}   "
            f"Child {_pointer(node.child, size)}"
        )
    yield f'  InstancePath is "{node.instance_path}"'
    if node.service:
        yield f'  ServiceName is "{node.service}"'
    if node.state is not None:
        yield f"  State = {_state(*node.state)}"
    if node.previous_state is not None:
        yield f"  Previous State = {_state(*node.previous_state)}"
    if not brief:
        for index, number, name in node.history:
            yield f"  StateHistory[{index:02d}] = {_state(number, name)}"
        if node.flags is not None:
            yield from (f"  {line}" for line in flag_lines("Flags", node.flags, node.flag_names))
        if node.user_flags:
            names = flag_names(node.user_flags, USER_FLAGS)
            yield from (f"  {line}" for line in flag_lines("UserFlags", node.user_flags, names))
    if node.problem:
        yield f"  Problem = {node.problem_name or 'Unknown problem'} (0x{node.problem:x})"


def _state(number: int, name: str) -> str:
    return f"{name or 'Unknown State'} (0x{number:x})"


def _pointer(address: int, size: int) -> str:
    return f"0x{address:0{2 * size}x}" if address else "0000000000"
