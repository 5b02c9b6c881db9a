"""The server, over TCP on this machine, with a client on a plain socket."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api, PacketType
from kdnb.protocol.packet import encode_packet, make_control
from kdnb.simulator.guest_symbols import write_symbols
from kdnb.simulator.loader import guest_files
from kdnb.simulator.machine import Machine
from kdnb.simulator.serve import Server
from kdnb.symbols.pdb import PdbFile
from kdnb.symbols.pe import PeImage
from kdnb.transport.registry import listen
from tests.simulator.raw_client import RawClient, Terminal
from tests.systems import ON_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def serving(scenario: str = "idle", spec: str = "tcp:127.0.0.1:0") -> Iterator[str]:
    machine = Machine(scenario)
    machine.boot()
    with contextlib.closing(listen(spec)) as listener:
        server = Server(machine, listener)
        thread = threading.Thread(target=server.run, name="server under test")
        thread.start()
        try:
            yield listener.address
        finally:
            server.close()
            thread.join()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """One machine for the tests that leave it running."""
    with serving() as where:
        yield where


def test_break_in_version_and_memory(address: str) -> None:
    with RawClient(address) as client:
        stop = client.break_in()
        assert stop.exception is not None
        assert stop.exception.code == 0x80000003
        base = client.request(Api.GetVersion).body.kernel_base
        assert client.read(base, 2) == b"MZ"
        client.go()


def test_one_client_after_another_finds_the_machine(address: str) -> None:
    for _ in range(3):
        with RawClient(address) as client:
            client.break_in()
            client.go()


def test_a_client_that_vanishes_at_a_stop_leaves_it_to_the_next(address: str) -> None:
    with RawClient(address) as client:
        stop = client.break_in()
    with RawClient(address) as client:
        client.send(encode_packet(make_control(PacketType.RESET, 0)))
        again = client.stop()
        assert (again.program_counter, again.thread) == (stop.program_counter, stop.thread)
        client.go()


@pytest.mark.skipif(ON_WINDOWS, reason="Python has no Unix sockets on Windows")
def test_a_machine_on_a_unix_socket(tmp_path: Path) -> None:
    with serving(spec=f"unix:{tmp_path / 'kd'}") as where, RawClient(where) as client:
        assert client.break_in().number_processors == 2


def test_a_machine_on_a_serial_line() -> None:
    tty = pytest.importorskip("tty", reason="no pseudo-terminals on this system")
    controlling, terminal = os.openpty()
    tty.setraw(terminal)
    with RawClient(Terminal(controlling)) as client, serving(spec=f"com:port={os.ttyname(terminal)}"):
        assert client.break_in().number_processors == 2
    os.close(terminal)


def test_the_storm_reaches_a_client_that_only_acknowledges() -> None:
    with serving("storm") as where, RawClient(where) as client:
        client.break_in()
        for _ in range(20):  # the clock may see the break before the thread prints again
            client.go()
            client.send(b"b")
            client.stop()
        assert any(b"storm: line" in text for text in client.prints)


def test_symbols_are_written_in_store_layout(tmp_path: Path) -> None:
    written = write_symbols(tmp_path)
    assert {path.name for path in written} >= {"ntkrnlmp.pdb", "disk.pdb", "ntfs.pdb", "buggy.pdb"}
    for file in guest_files():
        image = PeImage.from_file(file.image)
        place = tmp_path / file.name / f"{image.timestamp:08X}{image.size_of_image:x}" / file.name
        assert place.read_bytes() == file.image
    for path in written:
        pdb = PdbFile.open(path)
        assert (
            path == tmp_path / path.name / f"{pdb.guid}{pdb.age:X}" / path.name or path.parent.parent.name == path.name
        )
