"""Nodes of the Plug and Play device tree, as `!devnode` and `!devstack` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DeviceNode", "DeviceTree"]


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """One DEVICE_NODE. A state is its number and its name; the name is empty where none is known."""

    address: int
    physical_device: int
    parent: int
    sibling: int
    child: int
    instance_path: str
    service: str
    state: tuple[int, str] | None
    """None where the build's layout isn't known that far."""
    previous_state: tuple[int, str] | None
    history: tuple[tuple[int, int, str], ...]
    """Index, number and name of earlier states, the latest first."""
    flags: int | None
    flag_names: tuple[str, ...]
    user_flags: int
    problem: int
    problem_name: str
    depth: int
    """Below the node that was asked for."""


@dataclass(frozen=True, slots=True, repr=False)
class DeviceTree(TableResult):
    """A device node with all its details, or the nodes below it."""

    nodes: tuple[DeviceNode, ...]
    with_children: bool
    address_size: int
    root: int = 0
    """The root of all nodes, where the walk began there."""
    note: str = ""

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[DeviceNode]:
        return iter(self.nodes)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "address": node.address,
                "depth": node.depth,
                "instance_path": node.instance_path,
                "service": node.service,
                "state": node.state[1] if node.state is not None else None,
                "problem": node.problem_name,
                "physical_device": node.physical_device,
            }
            for node in self.nodes
        ]
