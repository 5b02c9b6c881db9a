"""The Plug and Play device tree: from nt!IopRootDeviceNode by first child and sibling.

The first fields of DEVICE_NODE are at the same places since Windows 7, State and Flags since Windows 8.1 (public PDBs).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdnb.errors import KdnbError, MemoryReadError, UnknownNameError
from kdnb.protocol.device_nodes import DEVICE_NODE_FLAGS, PROBLEMS, STATES, flag_names
from kdnb.results.device_nodes import DeviceNode, DeviceTree

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["CHILDREN", "NOT_STARTED", "PROBLEM", "describe_tree", "node_of_device"]

CHILDREN, NOT_STARTED, PROBLEM = 1, 0x10, 0x20
"""Flags of `!devnode`."""
DEVICE_TYPE = 3
NODE_LIMIT = 4096
DEPTH_LIMIT = 64
FIRST_STATE = 0x300
STARTED = 0x308
HISTORY = 20
_HAS_PROBLEM = 0x6000
"""DNF_HAS_PROBLEM and DNF_HAS_PRIVATE_PROBLEM."""
_PATHS = (
    "Sibling", "Child", "Parent", "PhysicalDeviceObject", "InstancePath", "ServiceName", "State", "PreviousState",
    "StateHistory", "StateHistoryEntry", "Flags", "UserFlags", "Problem",
)  # fmt: skip


def describe_tree(session: Session, address: int = 0, flags: int = 0, service: str = "") -> DeviceTree:
    """A device node, with flag 1 those below it; 0 is the root.

    Flags 10 and 20 keep nodes that are not started, or have a problem. With a `service` those of that service, and with
    flag 1 what is below each. The address of a device object stands for its node.
    """
    root = _root(session) if not address else 0
    start = root or _from_device(session, address) or address
    top = _node(session, start, 0)
    if top is None:
        raise UnknownNameError(f"{address:x} is no device node", "!devnode 0 1 lists them; !devobj names a device's")
    nodes, note = _below(session, top) if flags & CHILDREN or service else ([top], "")
    if service:
        nodes = _of_service(nodes, service, bool(flags & CHILDREN))
    if flags & NOT_STARTED:
        nodes = [node for node in nodes if node.state is None or node.state[0] != STARTED]
    if flags & PROBLEM:
        nodes = [node for node in nodes if node.problem or (node.flags or 0) & _HAS_PROBLEM]
    brief = bool(flags & (CHILDREN | NOT_STARTED | PROBLEM) or service)
    return DeviceTree(tuple(nodes), brief, session.pointer_size, root, note)


def _root(session: Session) -> int:
    place = session.symbols.lookup("nt!IopRootDeviceNode")
    if place is None:
        raise UnknownNameError(
            "where the device tree begins is not known: no symbol nt!IopRootDeviceNode",
            "give the kernel's PDB with .sympath, or a device to !devstack",
        )
    root = session.memory.read_pointer(place)
    if not root:
        raise UnknownNameError("the device tree has no root yet", "the target stands before Plug and Play is started")
    return root


def _below(session: Session, top: DeviceNode) -> tuple[list[DeviceNode], str]:
    """`top` and its descendants, each before its children; and why the walk ended early."""
    found, seen = [top], {top.address}
    waiting = [(top.child, 1)] if top.child else []
    while waiting:
        session.require_stopped()  # sees a cancel
        address, depth = waiting.pop()
        if address in seen:
            return found, "the device tree has a loop"
        if len(found) >= NODE_LIMIT or depth > DEPTH_LIMIT:
            return found, f"cut after {len(found)} nodes"
        seen.add(address)
        node = _node(session, address, depth)
        if node is None:
            return found, f"{address:x} is no device node: the tree is damaged there"
        found.append(node)
        if node.sibling:
            waiting.append((node.sibling, depth))
        if node.child:
            waiting.append((node.child, depth + 1))
    return found, ""


def _of_service(nodes: list[DeviceNode], service: str, with_children: bool) -> list[DeviceNode]:
    """Nodes of a service, and with `with_children` what is below them; depths count from each of them."""
    kept: list[DeviceNode] = []
    base = -1
    for node in nodes:
        if base >= 0 and node.depth > base and with_children:
            kept.append(replace(node, depth=node.depth - base))
        elif node.service.lower() == service.lower():
            base = node.depth
            kept.append(replace(node, depth=0))
        else:
            base = -1
    return kept


def _from_device(session: Session, address: int) -> int:
    """The node of the device object at `address`; 0 where none is."""
    records = session.processes.records
    try:
        device = records.read("_DEVICE_OBJECT", address)
        if device.number("Type") != DEVICE_TYPE:
            return 0
        return records.read("_DEVOBJ_EXTENSION", device.number("DeviceObjectExtension")).number("DeviceNode")
    except MemoryReadError:
        return 0


def node_of_device(session: Session, device: int) -> DeviceNode | None:
    """The node of a physical device object, where it has one that can be read."""
    address = _from_device(session, device)
    try:
        return _node(session, address, 0) if address else None
    except KdnbError:
        return None


def _node(session: Session, address: int, depth: int) -> DeviceNode | None:
    """The node at `address`; None where its device object doesn't point back to it."""
    records = session.processes.records
    try:
        record = records.read("_DEVICE_NODE", address, _PATHS)
        physical = record.number("PhysicalDeviceObject")
        if _from_device(session, physical) != record.address:
            return None
    except MemoryReadError:
        return None
    flags, problem = record.get("Flags"), record.number("Problem")
    return DeviceNode(
        address=record.address,
        physical_device=physical,
        parent=record.number("Parent"),
        sibling=record.number("Sibling"),
        child=record.number("Child"),
        instance_path=records.string(record, "InstancePath"),
        service=records.string(record, "ServiceName"),
        state=_state(record.get("State")),
        previous_state=_state(record.get("PreviousState")),
        history=_history(record.bytes("StateHistory"), record.number("StateHistoryEntry")),
        flags=flags,
        flag_names=flag_names(flags or 0, DEVICE_NODE_FLAGS),
        user_flags=record.number("UserFlags"),
        problem=problem,
        problem_name=f"CM_PROB_{PROBLEMS[problem]}" if 0 < problem < len(PROBLEMS) else "",
        depth=depth,
    )


def _state(number: int | None) -> tuple[int, str] | None:
    if number is None:
        return None
    index = number - FIRST_STATE
    return number, f"DeviceNode{STATES[index]}" if 0 <= index < len(STATES) else ""


def _history(data: bytes, following: int) -> tuple[tuple[int, int, str], ...]:
    """Earlier states from a ring, the latest first; `following` is the index that the next one will take."""
    count = min(len(data) // 4, HISTORY)
    found = []
    for back in range(1, count + 1):
        index = (following - back) % count
        state = _state(int.from_bytes(data[4 * index : 4 * index + 4], "little"))
        assert state is not None
        found.append((index, *state))
    return tuple(found)
