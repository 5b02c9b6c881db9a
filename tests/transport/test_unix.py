"""What is the Unix sockets' own: the file that stands for them."""

from __future__ import annotations

import os
import socket

import pytest

from kdnb.errors import ConnectError
from kdnb.transport.registry import listen, open_transport

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")


def test_a_socket_that_nobody_listens_on_is_replaced(tmp_path):
    path = tmp_path / "kd.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as crashed:
        crashed.bind(str(path))
    listener = listen(f"unix:{path}")
    open_transport(f"unix:{path}").close()
    listener.close()
    assert not path.exists()


def test_a_socket_in_use_and_any_other_file_stay_as_they_are(tmp_path):
    path = tmp_path / "kd.sock"
    listener = listen(f"unix:{path}")
    with pytest.raises(ConnectError):
        listen(f"unix:{path}")
    client = open_transport(f"unix:{path}")
    client.close()
    listener.close()
    document = tmp_path / "thesis.txt"
    document.write_text("years of work")
    with pytest.raises(ConnectError):
        listen(f"unix:{document}")
    assert document.read_text() == "years of work"
    assert os.listdir(tmp_path) == ["thesis.txt"]
