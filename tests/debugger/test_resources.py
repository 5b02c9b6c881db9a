"""Resources of a machine that hangs: owners, waiters, circles; and what damaged ones lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.commands.run import execute
from kdnb.debugger.resources import HIDDEN_WAITERS, OWNER_LIMIT, describe_resource, find_deadlocks, list_resources
from kdnb.errors import UnknownNameError, UnsupportedError
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.results.resources import ResourceInfo, ResourceOwner
from kdnb.simulator.architecture import AMD64, X86
from kdnb.simulator.guest_symbols import write_symbols
from tests.debugger.simulated import TIMEOUT, open_session, serve
from tests.debugger.x86_target import x86_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kdnb.debugger.session import Session
    from kdnb.simulator.architecture import Architecture


def run_into_the_deadlock(session: Session) -> None:
    session.connect(TIMEOUT)
    while not list_resources(session).deadlocks:
        session.go(timeout=0.3)
        session.break_in(TIMEOUT)


@pytest.fixture
def hung(guest_symbols: Path) -> Iterator[Session]:
    with serve("deadlock") as address, open_session(address, symbol_path=str(guest_symbols)) as session:
        run_into_the_deadlock(session)
        yield session


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=lambda architecture: architecture.name)
def test_owners_and_waiters_of_a_deadlock(architecture: Architecture, tmp_path: Path) -> None:
    write_symbols(tmp_path, architecture)
    with serve("deadlock", architecture) as address, open_session(address, symbol_path=str(tmp_path)) as session:
        run_into_the_deadlock(session)
        found = list_resources(session)
        volume = next(each for each in found if each.is_exclusive)
        file = next(each for each in found if not each.is_exclusive)
        assert volume.symbol.startswith("ntfs!NtfsVcb+")
        assert [owner.count for owner in (*volume.owners, *file.owners)] == [1, 1]
        images = [session.processes.thread(each.owners[0].thread, 0).image for each in (volume, file)]
        assert images == ["explorer.exe", "notepad.exe"]
        assert len(volume.shared_waiters) == volume.shared_waiter_count == 1
        assert file.exclusive_waiters == (volume.owners[0].thread,)
        (circle,) = found.deadlocks
        assert set(circle.threads) == {volume.owners[0].thread, file.owners[0].thread}
        assert found.total == len(list_resources(session, every=True)) > found.held == 2


def test_without_types_the_offsets_of_known_builds_give_the_same(guest_symbols: Path) -> None:
    with serve("deadlock") as address:
        with open_session(address, symbol_path=str(guest_symbols)) as session:
            run_into_the_deadlock(session)
            held = [(each.address, each.owners) for each in list_resources(session)]
        with open_session(address) as bare:
            bare.connect(TIMEOUT)
            assert bare.modules.kernel is not None
            assert bare.modules.kernel.types is None
            found = list_resources(bare)
            assert [(each.address, each.owners) for each in found] == held
            assert found.deadlocks


def test_a_machine_at_work_holds_no_resource_for_long(session: Session) -> None:
    found = list_resources(session, every=True)
    assert found.total >= 1
    assert not found.deadlocks
    assert "total locks" in to_text(found)


def test_owning_threads_are_shown_on_request(hung: Session) -> None:
    (found,) = execute(hung, "!locks -v")
    assert "     THREAD " in to_text(found)
    assert "ntfs!NtfsAcquireForWrite" in to_text(found)
    assert "contention" in str(to_html(found))
    one = describe_resource(hung, found[0].address)
    assert [each.address for each in one] == [found[0].address]
    assert "DUMP OF ALL" not in to_text(one)
    assert list(found.df["exclusive"]) == [each.is_exclusive for each in found]


def test_what_is_no_resource_is_refused(session: Session) -> None:
    for text in ("nt!PsActiveProcessHead+8", "0"):
        with pytest.raises(UnknownNameError, match="no resource"):
            describe_resource(session, session.evaluate(text))


def test_damaged_resources_are_shown_as_far_as_they_can_be(hung: Session) -> None:
    volume = next(each for each in list_resources(hung) if each.is_exclusive)
    fields = hung.processes.records.layout("_ERESOURCE").fields

    def damaged(field: str, value: int) -> ResourceInfo:
        at, size = volume.address + fields[field][0], fields[field][1]
        held = hung.memory.read(at, size)
        hung.memory.write(at, value.to_bytes(size, "little"))
        (found,) = describe_resource(hung, volume.address)
        hung.memory.write(at, held)
        return found

    pool = hung.memory.read_pointer(hung.evaluate("nt!MmNonPagedPoolStart"))
    hung.memory.write(pool + 8, b"\xff" * 4)
    huge = damaged("OwnerTable", pool)
    assert "claims 4294967295 entries" in huge.note
    assert 0 < len(huge.owners) <= OWNER_LIMIT
    beyond = damaged("OwnerTable", 0x10)
    assert "owner table ends early" in beyond.note
    assert beyond.owners == volume.owners
    assert damaged("ExclusiveWaiters", hung.processes.find("System")).note == HIDDEN_WAITERS
    assert damaged("SharedWaiters", 0x10).note.startswith("who waits can't be read")
    waiters = hung.memory.read_pointer(volume.address + fields["ExclusiveWaiters"][0])
    hung.memory.write(waiters + 8, waiters.to_bytes(8, "little"))
    (looped,) = describe_resource(hung, volume.address)
    assert "damaged" in looped.note
    hung.memory.write(volume.address, volume.address.to_bytes(8, "little"))
    assert "damaged" in list_resources(hung).note


def test_without_the_list_the_answer_says_what_is_missing() -> None:
    with x86_session() as (session, _), pytest.raises(UnsupportedError, match="not known"):
        list_resources(session)


def resource(address: int, owners: tuple[int, ...], waiters: tuple[int, ...]) -> ResourceInfo:
    held = tuple(ResourceOwner(owner, 1, owner) for owner in owners)
    return ResourceInfo(address, "", True, held, 0, 0, len(waiters), exclusive_waiters=waiters)


def test_circles_of_any_length_are_found_once() -> None:
    chain = [resource(0x10, (1,), (2,)), resource(0x20, (2,), (3,))]
    assert not find_deadlocks(chain)
    (circle,) = find_deadlocks([*chain, resource(0x30, (3, 4), (1,))])
    assert sorted(zip(circle.threads, circle.resources, strict=True)) == [(1, 0x30), (2, 0x10), (3, 0x20)]
    (alone,) = find_deadlocks([resource(0x40, (7,), (7,))])
    assert (alone.threads, alone.resources) == ((7,), (0x40,))
