"""A symbol server on 127.0.0.1 that can misbehave."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class SymbolServer:
    """`files` maps paths to bodies. Of a body `cut` bytes are sent at most; a connection ends once `stall` is set."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.redirects: dict[str, str] = {}
        self.cut: int | None = None
        self.chunked = False
        self.status = 200
        self.stall = threading.Event()
        self.stall.set()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}/store"

    def close(self) -> None:
        self.stall.set()
        self._http.shutdown()
        self._http.server_close()

    def run(self) -> None:
        self._http.serve_forever(0.02)


class _Handler(BaseHTTPRequestHandler):
    owner: SymbolServer

    def do_GET(self) -> None:
        owner = self.owner
        owner.asked.append(self.path)
        if self.path in owner.redirects:
            self.send_response(302)
            self.send_header("Location", owner.redirects[self.path])
            self.end_headers()
            return
        body = owner.files.get(self.path)
        if body is None or owner.status != 200:
            self.send_error(404 if owner.status == 200 else owner.status)
            return
        self.send_response(200)
        if not owner.chunked:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client may have gone
            self.wfile.write(body[: owner.cut])
            self.wfile.flush()
            owner.stall.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def symbol_server() -> Iterator[SymbolServer]:
    server = SymbolServer()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(10)
