"""`net:port=,key=`: KDNET's datagrams. The key belongs to the link (`kdnb.protocol.kdnet`); here are only sockets.

The target speaks first (it knows the host's address), so a host binds its port. Who is the other end says the link
(`settle`), since only it can tell a datagram that authenticates; until then it is whoever sent the last one of KDNET's
shape, or the last one that `is_trusted` (a proxy). With `target=HOST:PORT` only that one is heard.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from kdnb.errors import ConnectError, ConnectionStringError, TransportClosed
from kdnb.protocol.kdnet import is_kdnet
from kdnb.transport.base import Waker
from kdnb.transport.line import LineListener

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.transport.registry import Spec

__all__ = ["UdpTransport", "connect", "listen"]

LOOPBACK = "127.0.0.1"
DATAGRAM_SIZE = 0x10000


class UdpTransport:
    """A bound UDP socket and the peer that it talks to. Datagrams written before the peer is known are dropped."""

    datagrams = True

    def __init__(self, bound: socket.socket, peer: tuple[str, int] | None = None, *, fixed: bool = False) -> None:
        self._socket = bound
        self._socket.setblocking(False)
        self._peer = peer
        self._fixed = fixed
        self._settled = fixed
        self.sender: tuple[str, int] | None = peer
        self.is_trusted: Callable[[bytes, tuple[str, int]], bool] = lambda data, _: is_kdnet(data)
        """Whether a datagram shows that its sender is the other end."""
        self._waker = Waker(bound)
        self._closed = False

    @classmethod
    def bind(cls, address: str, port: int, peer: tuple[str, int] | None = None) -> UdpTransport:
        """Bind a port (0: any free one). Raises ConnectError when it is taken."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.bind((address, port))
        except OSError as error:
            bound.close()
            raise ConnectError(
                f"can't use UDP port {port}: {error.strerror or error}", "choose another port"
            ) from error
        return cls(bound, peer, fixed=peer is not None)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def read(self, timeout: float) -> bytes:
        try:
            if not self._waker.wait(timeout):
                if self._closed:
                    raise TransportClosed("the connection was closed here")
                return b""
            data, sender = self._socket.recvfrom(DATAGRAM_SIZE)
        except (BlockingIOError, ConnectionError):
            return b""  # a bad checksum, or the peer's port is not open yet: UDP promises nothing
        except (OSError, ValueError) as error:
            raise TransportClosed(f"the UDP socket failed: {error}", "connect again") from error
        if self._fixed and sender != self._peer:
            return b""
        if not self._settled and (self._peer is None or self.is_trusted(data, sender)):
            self._peer = sender
        self.sender = sender
        return data

    def settle(self, peer: tuple[str, int]) -> None:
        self._settled = True
        self._peer = peer

    def write(self, data: bytes) -> None:
        if self._peer is not None:
            self.send_to(data, self._peer)
        elif self._closed:
            raise TransportClosed("the connection was closed here")

    def send_to(self, data: bytes, address: tuple[str, int]) -> None:
        if self._closed:
            raise TransportClosed("the connection was closed here")
        try:
            self._socket.sendto(data, address)
        except (BlockingIOError, ConnectionError):
            return  # the link sends it again
        except (OSError, ValueError) as error:
            raise TransportClosed(f"the UDP socket failed: {error}", "connect again") from error

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waker.close()
        self._socket.close()


def connect(spec: Spec) -> UdpTransport:
    """Bind the debugger's port of a `net:` connection string: on loopback, or on the address that `host=` names.

    A target on another computer is reached with `host=` and this computer's address there, or `host=0.0.0.0`.
    """
    return UdpTransport.bind(_host(spec), spec.number("port", 0, 0xFFFF), _target_address(spec))


def listen(spec: Spec) -> LineListener:
    """The target's end: it speaks first, to the debugger's port (on this computer, or on `host=`).

    So the debugger counts as a client that is there. With `target=HOST:PORT` the datagrams come from that address.
    """
    here, port = _target_address(spec) or (LOOPBACK if _host(spec) == LOOPBACK else "", 0)
    debugger = (_host(spec), spec.number("port", 0, 0xFFFF))
    return LineListener(str(spec), lambda: UdpTransport.bind(here, port, debugger))


def _target_address(spec: Spec) -> tuple[str, int] | None:
    target = spec.options.get("target")
    if not target:
        return None
    name, _, number = target.rpartition(":")
    if not name or not number.isdecimal() or int(number) > 0xFFFF:
        raise ConnectionStringError(f"net: target={target} is no address", "write target=HOST:PORT")
    return _address_of(name), int(number)


def _host(spec: Spec) -> str:
    return _address_of(spec.options.get("host", LOOPBACK))


def _address_of(name: str) -> str:
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        reason = error.strerror or error
        raise ConnectError(f"can't find the computer {name!r}: {reason}", "give its IPv4 address") from error
