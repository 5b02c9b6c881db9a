"""Queued spin locks: what entries mean, and those of the simulated machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.queued_locks import _states, queued_locks
from kdnb.errors import UnsupportedError
from kdnb.render.text import to_text
from kdnb.results.queued_locks import QueuedLock, QueuedLocks
from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session

FREE, WAITS, OWNS = 0x1000, 0x1001, 0x1002
PLACES = [0x10, 0x20, 0x30, 0x40]
POOL = 6


@pytest.mark.parametrize(
    ("entries", "states"),
    [
        ([(0, FREE), (0, FREE)], ["", ""]),
        ([(0, FREE), (0, OWNS)], ["", "O"]),
        ([(0x30, WAITS), (0x10, OWNS), (0x40, WAITS), (0, WAITS)], ["1", "O", "2", "3"]),
        ([(0, WAITS), (0, OWNS)], ["1", "O"]),
        ([(0, OWNS), (0, OWNS)], ["C", "C"]),
        ([(0, WAITS), (0, FREE)], ["C", ""]),
        ([(0x999, OWNS), (0, FREE)], ["C", ""]),
        ([(0x20, OWNS), (0x10, WAITS)], ["O", "C"]),
        ([(0x20, OWNS), (0x20, WAITS)], ["O", "C"]),
        ([(0x20, OWNS), (0, FREE)], ["C", ""]),
    ],
)
def test_entries_become_owner_and_order(entries: list[tuple[int, int]], states: list[str]) -> None:
    assert list(_states(PLACES[: len(entries)], entries)) == states


def test_the_layout_is_that_of_the_documentation() -> None:
    locks = QueuedLocks((QueuedLock(0, "KE   - Dispatcher", ("", "")), QueuedLock(2, "MM   - PFN", ("1", "O"))), 2)
    assert to_text(locks).split("\n") == [
        "Key: O = Owner, 1-n = Wait order, blank = not owned/waiting, C = Corrupt",
        "",
        "                       Processor Number",
        "    Lock Name         0  1",
        "",
        "KE   - Dispatcher",
        "MM   - PFN            1  O",
    ]
    assert list(locks.df["cpu1"]) == ["", "O"]


@contextlib.contextmanager
def stopped(architecture: Architecture, symbols: Path) -> Iterator[Session]:
    write_symbols(symbols, architecture)
    with serve("idle", architecture) as address, open_session(address, symbol_path=str(symbols)) as session:
        session.connect(TIMEOUT)
        yield session


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_the_owner_of_the_pool_and_who_waits_for_it(architecture: Architecture, tmp_path: Path) -> None:
    with stopped(architecture, tmp_path) as session:
        (value,) = execute(session, "!qlocks")
        assert isinstance(value, QueuedLocks)
        assert (len(value), value.processors) == (17, 2)
        assert not any(state for lock in value for state in lock.states)
        session.go(until=session.evaluate("nt!ExpUnlockPool"), timeout=TIMEOUT)
        owner = session.current_processor
        found = queued_locks(session)
        assert found[POOL].name == "EX   - NonPagedPool"
        assert found[POOL].states[owner] == "O"
        assert [lock.number for lock in found if any(lock.states)] == [POOL]
        queues = [
            session.evaluate(f"@@c++(&((nt!_KPRCB*){session.processes.prcb(n)})->LockQueue[{POOL}])") for n in (0, 1)
        ]
        size = session.pointer_size
        entries = [session.memory.read(queue, 2 * size) for queue in queues]
        other = 1 - owner
        lock = int.from_bytes(entries[other][size:], "little")
        session.memory.write(queues[other] + size, (lock | 1).to_bytes(size, "little"))
        session.memory.write(queues[owner], queues[other].to_bytes(size, "little"))
        assert queued_locks(session)[POOL].states[other] == "1"
        session.memory.write(queues[owner], (0x1234).to_bytes(size, "little"))
        assert queued_locks(session)[POOL].states[owner] == "C"
        for queue, entry in zip(queues, entries, strict=True):
            session.memory.write(queue, entry)


def test_x86_without_types_says_what_is_missing(tmp_path: Path) -> None:
    with serve("idle", X86) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        session.connect(TIMEOUT)
        with pytest.raises(UnsupportedError, match=r"KPRCB\.LockQueue"):
            queued_locks(session)
