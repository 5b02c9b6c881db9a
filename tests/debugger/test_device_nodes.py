"""The device tree of the simulated machine, whole and damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.debugger.device_nodes import CHILDREN, NOT_STARTED, PROBLEM, describe_tree
from kdnb.debugger.drivers import device_stack, find_device
from kdnb.errors import UnknownNameError
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from pathlib import Path

    from kdnb.debugger.session import Session

SIBLING = 0


def test_the_tree_is_walked_from_the_root_with_depths(session: Session) -> None:
    tree = describe_tree(session, 0, CHILDREN)
    assert [(node.depth, node.instance_path, node.service) for node in tree if not node.problem] == [
        (0, "HTREE\\ROOT\\0", ""),
        (1, "ROOT\\PCI_BUS\\0000", ""),
        (1, "ROOT\\DISK\\0000", "disk"),
        (1, "ROOT\\BUGGY\\0000", "buggy"),
    ]
    assert all(node.state == (0x308, "DeviceNodeStarted") for node in tree if not node.problem)
    assert tree.root == tree.nodes[0].address
    assert not tree.note


def test_devices_without_a_driver_have_a_problem(session: Session) -> None:
    tree = describe_tree(session, 0, CHILDREN | PROBLEM)
    assert {node.instance_path.split("&REV")[0] for node in tree} == {
        "PCI\\VEN_8086&DEV_1237",
        "PCI\\VEN_8086&DEV_7000",
        "PCI\\VEN_1234&DEV_1111",
        "PCI\\VEN_8086&DEV_100E",
    }
    assert {node.problem_name for node in tree} == {"CM_PROB_FAILED_INSTALL"}
    assert all("DNF_HAS_PROBLEM" in node.flag_names for node in tree)
    assert describe_tree(session, 0, CHILDREN | NOT_STARTED).nodes == tree.nodes


def test_a_service_has_its_nodes_and_what_is_below_them(session: Session) -> None:
    (disk,) = describe_tree(session, 0, CHILDREN, "DISK")
    assert (disk.instance_path, disk.depth) == ("ROOT\\DISK\\0000", 0)
    assert not describe_tree(session, 0, CHILDREN, "nothing")


def test_the_latest_states_come_first(session: Session) -> None:
    (root,) = describe_tree(session)
    assert root.previous_state == (0x30D, "DeviceNodeEnumerateCompletion")
    assert root.history[:2] == (
        (3, 0x30D, "DeviceNodeEnumerateCompletion"),
        (2, 0x30C, "DeviceNodeEnumeratePending"),
    )
    assert len(root.history) == 20


def test_a_device_stack_ends_with_its_node(session: Session) -> None:
    stack = device_stack(session, find_device(session, "\\Ntfs"))
    assert stack.node is not None
    assert (stack.node.instance_path, stack.node.service) == ("ROOT\\DISK\\0000", "disk")
    lowest = stack.devices[-1]
    assert lowest.device_node == stack.node.address
    (same,) = describe_tree(session, lowest.address)
    assert same == stack.node


def test_without_types_the_layout_of_known_builds_gives_the_same(guest_symbols: Path) -> None:
    with serve() as address, open_session(address) as bare:
        bare.connect(TIMEOUT)
        bare.go(until=bare.evaluate("nt!IofCallDriver"), timeout=TIMEOUT)
        stack = device_stack(bare, bare.evaluate("@rcx"))
        assert stack.node is not None
        assert stack.node.instance_path.startswith("ROOT\\")
        assert stack.node.state == (0x308, "DeviceNodeStarted")
        with pytest.raises(UnknownNameError, match="IopRootDeviceNode"):
            describe_tree(bare)


def test_what_is_no_device_node_is_refused(session: Session) -> None:
    with pytest.raises(UnknownNameError, match="no device node"):
        describe_tree(session, session.evaluate("nt!PsActiveProcessHead"))


def test_a_loop_in_the_tree_ends_the_walk(session: Session) -> None:
    root, bus, *_ = describe_tree(session, 0, CHILDREN)
    session.memory.write(bus.address + SIBLING, root.address.to_bytes(8, "little"))
    tree = describe_tree(session, 0, CHILDREN)
    assert tree.note == "the device tree has a loop"
    assert len(tree) == 6


def test_a_link_out_of_the_tree_ends_the_walk(session: Session) -> None:
    _root, bus, *_ = describe_tree(session, 0, CHILDREN)
    session.memory.write(bus.address + SIBLING, session.evaluate("nt!KeBugCheckEx").to_bytes(8, "little"))
    assert "is no device node: the tree is damaged there" in describe_tree(session, 0, CHILDREN).note
