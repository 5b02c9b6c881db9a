"""Connection strings: read, refused, opened."""

from __future__ import annotations

import contextlib

import pytest

from kdnb.errors import ConnectError, ConnectionStringError
from kdnb.transport.registry import listen, open_transport, parse_spec
from tests.systems import ON_WINDOWS


@pytest.mark.parametrize(
    ("text", "scheme", "argument", "options"),
    [
        ("sim:", "sim", "", {}),
        ("sim:scenario=boot", "sim", "", {"scenario": "boot"}),
        ("com:port=COM1,baud=115200", "com", "", {"port": "COM1", "baud": "115200"}),
        (
            r"com:pipe,port=\\.\pipe\com_1,resets=0,reconnect",
            "com",
            "",
            {"pipe": "", "port": r"\\.\pipe\com_1", "resets": "0", "reconnect": ""},
        ),
        ("net:port=50000,key=1.2.3.4", "net", "", {"port": "50000", "key": "1.2.3.4"}),
        (" TCP:127.0.0.1:5555 ", "tcp", "127.0.0.1:5555", {}),
        ("unix:/tmp/a,b=c.sock", "unix", "/tmp/a,b=c.sock", {}),
        ("replay:a,b.pcapng,key=8.8.8.8", "replay", "a,b.pcapng", {"key": "8.8.8.8"}),
        ("replay:C:\\x.pcap", "replay", "C:\\x.pcap", {}),
        ("dump:C:\\MEMORY.DMP", "dump", "C:\\MEMORY.DMP", {}),
    ],
)
def test_each_kind_of_connection_string_is_read(text, scheme, argument, options):
    spec = parse_spec(text)
    assert (spec.scheme, spec.argument, dict(spec.options)) == (scheme, argument, options)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no connection string"),
        ("tcp", "no connection string"),
        ("http://x", "no connection string"),
        ("com:baud=9600", "needs port="),
        ("com:port=COM1,speed=9", "doesn't know the option 'speed'"),
        ("com:port=COM1,port=COM2", "given twice"),
        ("net:port=50000", "needs key="),
        ("net:key=1.2.3.4", "needs port="),
    ],
)
def test_what_is_no_connection_string_gets_one_clear_line(text, says):
    with pytest.raises(ConnectionStringError, match=says) as caught:
        parse_spec(text)
    assert "\n" not in str(caught.value)
    assert caught.value.hint or "twice" in says


@pytest.mark.parametrize(
    "text", ["tcp:5555", "tcp:host:port", "tcp:host:70000", "tcp::1", "unix:", "com:port=/dev/null,baud=fast"]
)
def test_addresses_are_checked_before_anything_is_opened(text):
    with pytest.raises(ConnectionStringError):
        open_transport(text)


@pytest.mark.parametrize("text", ["sim:", "replay:file", "dump:file", "snapshot:file"])
def test_what_is_no_byte_stream_is_not_opened_here(text):
    with pytest.raises(ConnectionStringError, match="no byte stream"):
        open_transport(text)


def test_only_what_can_be_opened_is_offered():
    with pytest.raises(ConnectionStringError) as caught:
        parse_spec("nonsense")
    assert "tcp:" in caught.value.hint
    assert not any(scheme in caught.value.hint for scheme in ("replay:", "dump:", "snapshot:"))


def test_nobody_listening_is_a_connect_error(tmp_path):
    listener = listen("tcp:127.0.0.1:0")
    address = listener.address
    listener.close()
    socket_file = [] if ON_WINDOWS else [f"unix:{tmp_path / 'none.sock'}"]
    for text in (address, *socket_file, f"com:port={tmp_path / 'ttyX'}"):
        with pytest.raises(ConnectError) as caught:
            open_transport(text)
        assert caught.value.hint


def test_a_serial_line_is_a_client_that_is_there_at_once():
    listener = listen("com:port=loop://")
    line = listener.accept(0.0)
    line.write(b"x")
    assert line.read(1.0) == b"x"
    line.close()
    listener.close()


def test_a_key_shows_in_neither_repr_nor_text():
    spec = parse_spec("net:port=50000,key=secret.2.3.4")
    assert "secret" not in repr(spec) + str(spec)
    assert str(spec) == "net:port=50000,key=..."


def test_a_network_target_speaks_first_and_to_its_debugger():
    with contextlib.closing(open_transport("net:port=0,key=1.2.3.4")) as debugger:
        spec = f"net:host=127.0.0.1,port={debugger.port},key=1.2.3.4"
        listener = listen(spec)
        with contextlib.closing(listener.accept(0.0)) as target:
            assert "1.2.3.4" not in listener.address
            target.write(b"MDBGx")
            assert debugger.read(20.0) == b"MDBGx"
            debugger.write(b"MDBGy")
            assert target.read(20.0) == b"MDBGy"
