"""Two FIFOs as one line, when they are full."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from kdnb.errors import TransportClosed
from kdnb.transport.fifo import FifoTransport

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has pipes of its own")
PATIENCE = 20.0


@pytest.fixture
def fifos(tmp_path):
    """To the machine, and from it."""
    paths = [str(tmp_path / "in"), str(tmp_path / "out")]
    for path in paths:
        os.mkfifo(path)
    return paths


def test_more_than_a_fifo_holds_arrives_whole_while_the_other_end_reads(fifos):
    machine = FifoTransport.server(*fifos)
    client = FifoTransport.client(*reversed(fifos))
    sent = bytes(range(256)) * 2000
    writing = threading.Thread(target=client.write, args=(sent,))
    writing.start()
    received = b""
    while len(received) < len(sent):
        received += machine.read(PATIENCE)
    writing.join()
    assert received == sent
    client.close()
    machine.close()


def test_a_write_that_waits_for_room_ends_when_its_end_is_closed(fifos):
    machine = FifoTransport.server(*fifos)
    client = FifoTransport.client(*reversed(fifos))
    ended = []

    def write():
        with pytest.raises(TransportClosed):
            client.write(bytes(1 << 20))
        ended.append(True)

    writing = threading.Thread(target=write)
    writing.start()
    assert machine.read(PATIENCE)
    client.close()
    writing.join(PATIENCE)
    assert ended
    machine.close()
