"""Symbol files from a symbol server: HTTP requests for `NAME/GUIDAGE/NAME`, into a store on this host.

A download happens where it is called, in slices: between two of them a cancel is seen and progress is told. What
arrives is bounded, must be whole, and must be the file of the image (the caller's `check`) before it gets its name in
the store, in one rename; whatever goes wrong leaves nothing behind. A `file.ptr` of a server is followed only to
addresses of the same server.
"""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from kdnb.errors import Cancelled, SymbolFileError
from kdnb.symbols.cabinet import expand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kdnb.symbols.pdb import PdbFile

__all__ = ["Downloader", "progress_lines"]

MEBIBYTE = 1 << 20
CHUNK = 0x10000
SLICE = 0.2
"""Seconds between two looks at the cancel flag."""
TIMEOUT = 20.0
"""Seconds without a byte after which a server counts as gone."""
MAX_SIZE = 0x8000_0000
"""Bytes of one file (2 GiB); the largest public kernel PDBs are below 100 MB."""
MAX_POINTER = 4096


class _NoConnectionError(SymbolFileError):
    """The server didn't answer at all, or stopped to."""


class Downloader:
    """Asks symbol servers. `progress(address, bytes so far, bytes in all or None)` is called between chunks."""

    def __init__(
        self,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[str, int, int | None], None] | None = None,
        *,
        timeout: float = TIMEOUT,
        max_size: int = MAX_SIZE,
    ) -> None:
        self._cancelled = cancelled
        self._progress = progress
        self._timeout = timeout
        self._max_size = max_size
        self.unreachable: dict[str, str] = {}
        """Servers to which there was no connection, and why: they are not waited for again until this is cleared."""
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
            _SlicedHttp(self),
            _SlicedHttps(self),
        ):
            self._opener.add_handler(handler)

    def fetch(
        self, server: str, name: str, key: str, store: Path, check: Callable[[bytes], PdbFile], /
    ) -> tuple[PdbFile, Path]:
        """The PDB as `store.Fetcher` says: the plain file, its compressed form, or where a `file.ptr` points."""
        if urllib.parse.urlsplit(server).scheme.lower() not in ("http", "https"):
            raise SymbolFileError(f"{server}: only http and https servers can be asked")
        if server in self.unreachable:
            raise SymbolFileError(self.unreachable[server])
        folder = "/".join((server.rstrip("/"), urllib.parse.quote(name), key))
        try:
            data = expand(self._first(folder, name, server), server, self.check_cancel)
        except _NoConnectionError as error:
            self.unreachable[server] = f"{error.message} (not asked again before .reload /f)"
            raise
        pdb = check(data)
        return pdb, _keep(data, store, name, key)

    def _first(self, folder: str, name: str, server: str) -> bytes:
        for last in (name, f"{name[:-1]}_", "file.ptr"):
            limit = MAX_POINTER if last == "file.ptr" else self._max_size
            data = self._get(f"{folder}/{urllib.parse.quote(last)}", limit)
            if data is None:
                continue
            if last != "file.ptr":
                return data
            return self._pointed(data, server)
        raise SymbolFileError(f"{folder}/{name}: the server doesn't have it")

    def _pointed(self, pointer: bytes, server: str) -> bytes:
        kind, _, where = pointer.decode("utf-8", "replace").strip().partition(":")
        address = where.replace("\\", "/")
        if kind.upper() != "PATH" or not address.lower().startswith(server.rstrip("/").lower() + "/"):
            raise SymbolFileError(f"{server}: its file.ptr says {pointer[:120]!r}, which is not on that server")
        data = self._get(address, self._max_size)
        if data is None:
            raise SymbolFileError(f"{address}: the server doesn't have it")
        return data

    # --- one request ----------------------------------------------------------------------------

    def _get(self, address: str, limit: int) -> bytes | None:
        """The bytes of a file; None where the server says that it has none."""
        try:
            with self._opener.open(urllib.request.Request(address), timeout=self._timeout) as response:
                return self._body(cast("_SlicedResponse", response), address, limit)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                return None
            raise SymbolFileError(f"{address}: the server answered {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise _NoConnectionError(f"{address}: {reason or type(error).__name__}") from error

    def _body(self, response: _SlicedResponse, address: str, limit: int) -> bytes:
        words = response.headers.get("Content-Length")
        total = int(words) if words is not None and words.isdecimal() else None
        if total is not None and total > limit:
            raise SymbolFileError(f"{address}: too large, {total} bytes (at most {limit} are taken)")
        parts: list[bytes] = []
        size = 0
        while True:
            response.before_read()
            chunk = response.read(CHUNK)
            if not chunk:
                break
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise SymbolFileError(f"{address}: too large, more than {limit} bytes")
            if self._progress is not None:
                self._progress(address, size, total)
        if total is not None and size < total:
            raise SymbolFileError(f"{address}: the server broke off after {size} of {total} bytes")
        return b"".join(parts)

    def check_cancel(self) -> None:
        """Raises `Cancelled` once that is wanted."""
        if self._cancelled():
            raise Cancelled("looking for symbols was stopped")

    def wait(self, source: Any, *, writable: bool = False) -> None:
        """Wait until a socket can be read (or written), in slices."""
        for _ in range(max(1, int(self._timeout / SLICE))):
            self.check_cancel()
            waiting = [source]
            ready = select.select([] if writable else waiting, waiting if writable else [], waiting, SLICE)
            if any(ready):
                return
        raise TimeoutError(f"nothing came for {self._timeout:g} s")

    def connect(self, address: tuple[str, int]) -> socket.socket:
        """A connected socket."""
        problem: OSError | None = None
        for family, kind, protocol, _, where in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.setblocking(False)
                with suppress(BlockingIOError):
                    connection.connect(where)
                self.wait(connection, writable=True)
                code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, _strerror(code))
                connection.settimeout(self._timeout)
                return connection
            except OSError as error:
                connection.close()
                problem = error
            except Cancelled:
                connection.close()
                raise
        raise problem or OSError(f"no address for {address[0]}")


def _strerror(code: int) -> str:
    """What a socket's error code means; Windows' own codes are in a table of Python's."""
    return str(getattr(socket, "errorTab", {}).get(code) or os.strerror(code))


class _SlicedResponse(http.client.HTTPResponse):
    """A response that reads no further than asked, so that `select` tells whether there is more."""

    wait: Callable[[Any], None]

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = sock.makefile("rb", buffering=0)  # type: ignore[assignment]  # raw: it has what is used of it
        self._connection = sock

    def begin(self) -> None:
        self.wait(self._connection)
        super().begin()
        if self.chunked:
            self.fp = io.BufferedReader(self.fp)

    def before_read(self) -> None:
        """Wait for the next bytes of the body, unless some are there already or can't be waited for."""
        unread = self._connection.pending() if isinstance(self._connection, ssl.SSLSocket) else 0
        if not (self.isclosed() or self.chunked or unread):
            self.wait(self)


class _Sliced(http.client.HTTPConnection):
    """A connection that waits in slices, so that a cancel is seen while a server is silent."""

    def __init__(self, host: str, *, downloader: Downloader, **options: Any) -> None:
        super().__init__(host, **options)
        # The two places where http.client lets a caller bring its own.
        self._create_connection = lambda address, *_: downloader.connect(address)
        self.response_class = type("Response", (_SlicedResponse,), {"wait": staticmethod(downloader.wait)})


class _SlicedTls(_Sliced, http.client.HTTPSConnection):
    """The same over TLS."""


class _SlicedHttp(urllib.request.HTTPHandler):
    def __init__(self, downloader: Downloader) -> None:
        super().__init__()
        self._downloader = downloader

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Sliced, downloader=self._downloader), request)


class _SlicedHttps(urllib.request.HTTPSHandler):
    def __init__(self, downloader: Downloader) -> None:
        super().__init__()
        self._downloader = downloader

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_SlicedTls, downloader=self._downloader), request)


def _keep(data: bytes, store: Path, name: str, key: str) -> Path:
    """Put a checked file into a store: complete under its name, or not at all."""
    folder = store / name / key
    temporary: str | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".kdnb-", dir=store)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, folder / name)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if _holds(folder / name, data):
            return folder / name
        raise SymbolFileError(f"{folder}: can't be written ({error.strerror or error})") from error
    return folder / name


def _holds(path: Path, data: bytes) -> bool:
    """Whether the file is there as it should be: Windows replaces none that another session has open."""
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def progress_lines(tell: Callable[[str], None]) -> Callable[[str, int, int | None], None]:
    """A `progress` that tells a person in lines: one for each MiB, and one at the end."""
    told = -1

    def progress(address: str, done: int, total: int | None) -> None:
        nonlocal told
        ended = done == total
        if done // MEBIBYTE == told and not ended:
            return
        told = -1 if ended else done // MEBIBYTE
        of = "" if total is None else f" of {total / MEBIBYTE:.1f}"
        tell(f"downloading {address}: {done / MEBIBYTE:.1f}{of} MiB")

    return progress
