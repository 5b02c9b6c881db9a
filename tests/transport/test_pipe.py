"""`com:pipe`: a Unix socket or a pair of FIFOs where there is no Windows."""

from __future__ import annotations

import os
import sys

import pytest

from kdnb.errors import ConnectError
from kdnb.transport.registry import listen, open_transport

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has pipes of its own")
PATIENCE = 20.0


@pytest.fixture
def fifos(tmp_path):
    """The spec of a pair of FIFOs."""
    for suffix in ("in", "out"):
        os.mkfifo(tmp_path / f"com_1.{suffix}")
    return f"com:pipe,port={tmp_path / 'com_1'},resets=0,reconnect"


def test_a_unix_socket_by_windbgs_words(tmp_path):
    spec = f"com:pipe,port={tmp_path / 'com_1'},resets=0,reconnect"
    listener = listen(spec)
    assert listener.address == spec
    client, server = open_transport(spec), listener.accept(PATIENCE)
    client.write(b"hello")
    assert server.read(PATIENCE) == b"hello"
    for end in (client, server, listener):
        end.close()
    assert not (tmp_path / "com_1").exists()


def test_fifos_carry_both_directions_from_one_client_to_the_next(fifos):
    listener = listen(fifos)
    machine = listener.accept(0.0)
    for word in (b"first", b"second"):
        client = open_transport(fifos)
        client.write(word)
        assert machine.read(PATIENCE) == word
        machine.write(word.upper())
        assert client.read(PATIENCE) == word.upper()
        client.close()
    machine.close()
    listener.close()


def test_a_machine_that_is_not_there_yet_is_a_connect_error(fifos, tmp_path):
    with pytest.raises(ConnectError, match="nobody reads"):
        open_transport(fifos)
    with pytest.raises(ConnectError, match="can't connect"):
        open_transport(f"com:pipe,port={tmp_path / 'none'}")


def test_a_single_fifo_is_no_line(tmp_path):
    os.mkfifo(tmp_path / "one")
    with pytest.raises(ConnectError, match="one direction"):
        open_transport(f"com:pipe,port={tmp_path / 'one'}")
