"""Connection strings: reading them, and opening the byte stream that they name.

Backends are named here and imported on use, so that a missing driver or a system without Unix sockets doesn't break
`import kdnb`. `sim:`, `replay:`, `dump:` and `snapshot:` are no byte streams: `kdnb.api` opens them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, cast

from kdnb.errors import ConnectionStringError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.transport.base import Listener, Transport

__all__ = ["Spec", "is_byte_stream", "listen", "open_transport", "parse_spec"]

EXAMPLES: dict[str, str] = {
    "sim": "sim:",
    "com": "com:port=/dev/ttyS0,baud=115200",
    "net": "net:port=50000,key=1.2.3.4",
    "tcp": "tcp:127.0.0.1:5555",
    "unix": "unix:/tmp/kd.sock",
}
_FILES = frozenset({"replay", "dump", "snapshot"})
"""Schemes that are read but can't be opened yet: `kdnb.connect` says what to do instead."""

# Scheme -> module; each has connect(spec), and listen(spec) where it can.
_BACKENDS = {
    "tcp": "kdnb.transport.tcp",
    "unix": "kdnb.transport.unix",
    "com": "kdnb.transport.serial_port",
    "pipe": "kdnb.transport.pipe",
    "net": "kdnb.transport.udp",
}

LINK_OPTIONS = frozenset(
    {"resets", "retries", "ack_timeout", "quiet_time", "reply_timeout", "attempts", "verify", "repeated_ids"}
)
"""Settings of the link and of requests, for every live transport (`kdnb.target.settings` gives their meaning)."""
_KNOWN_OPTIONS = {
    "com": LINK_OPTIONS | {"pipe", "port", "baud", "reconnect"},
    "net": LINK_OPTIONS | {"host", "port", "key", "target"},
    "tcp": LINK_OPTIONS | {"reconnect"},
    "unix": LINK_OPTIONS | {"reconnect"},
}
_SECRET = frozenset({"key"})
KEY_VARIABLE = "KDNB_KEY"
"""Environment variable with the KDNET key, for those whose command lines others can read."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A connection string, taken apart. Keys are kept out of its repr."""

    scheme: str
    argument: str = ""
    """What follows the colon where that is one thing: an address or a path."""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`name=value` parts, names in lower case; a bare word has the value ""."""

    def __str__(self) -> str:
        shown = [self.argument] if self.argument else []
        for name, value in self.options.items():
            shown.append(f"{name}={'...' if name in _SECRET else value}" if value else name)
        return f"{self.scheme}:{','.join(shown)}"

    def number(self, name: str, default: int, limit: int) -> int:
        """A decimal option from 0 to `limit`."""
        text = self.options.get(name)
        if text is None:
            return default
        if not text.isdecimal() or int(text) > limit:
            raise ConnectionStringError(f"{self.scheme}: {name}={_masked(text)} is no number from 0 to {limit}")
        return int(text)


def parse_spec(text: str) -> Spec:
    """Read a connection string. Raises ConnectionStringError; touches nothing."""
    if not isinstance(text, str):
        raise ConnectionStringError(f"{text!r:.80} is no connection string", "it is a text, such as 'sim:'")
    scheme, separator, rest = text.strip().partition(":")
    scheme = scheme.lower()
    if not separator or scheme not in EXAMPLES.keys() | _FILES:
        hint = f"use one of {', '.join(EXAMPLES.values())}"
        raise ConnectionStringError(f"{_masked(text.strip())!r} is no connection string", hint)
    if scheme in {"dump", "snapshot"}:
        return Spec(scheme, rest.strip())
    if scheme in {"tcp", "unix"}:
        argument, settings = _split_options(rest.strip(), _KNOWN_OPTIONS[scheme])
        return Spec(scheme, argument, _options(scheme, settings))
    if scheme == "replay":
        # A path may hold commas; only a last part that is an option counts as one.
        path, comma, key = rest.rpartition(",key=")
        return Spec(scheme, path, {"key": key}) if comma else Spec(scheme, rest)
    options = _options(scheme, rest)
    if scheme == "net" and "key" not in options and os.environ.get(KEY_VARIABLE):
        options["key"] = os.environ[KEY_VARIABLE]
    spec = Spec(scheme, "", options)
    _check(spec)
    return spec


def is_byte_stream(spec: Spec) -> bool:
    """Whether `open_transport` can open it."""
    return spec.scheme in _BACKENDS


def open_transport(spec: str) -> Transport:
    """Open the byte stream that a connection string names, as a client.

    Raises ConnectionStringError where the string names no byte stream, ConnectError where it can't be opened.
    """
    parsed = parse_spec(spec)
    return cast("Transport", _backend(parsed).connect(parsed))  # type: ignore[attr-defined]  # by name, see _BACKENDS


def listen(spec: str) -> Listener:
    """Wait for clients at the place that a connection string names (`tcp:127.0.0.1:0` takes a free port)."""
    parsed = parse_spec(spec)
    backend = _backend(parsed)
    if not hasattr(backend, "listen"):
        raise ConnectionStringError(f"can't listen on {parsed.scheme}:", "listen on tcp:127.0.0.1:0 or unix:PATH")
    return cast("Listener", backend.listen(parsed))


def _backend(spec: Spec) -> object:
    name = "pipe" if spec.scheme == "com" and "pipe" in spec.options else spec.scheme
    if name not in _BACKENDS:
        raise ConnectionStringError(f"{spec.scheme}: is no byte stream", "open sim: with kdnb.connect")
    return import_module(_BACKENDS[name])


def _split_options(text: str, known: frozenset[str]) -> tuple[str, str]:
    """An address or path, and the options behind it. A path may hold commas; only known names count as options."""
    head, comma, last = text.rpartition(",")
    tail = ""
    while comma and last.partition("=")[0].strip().lower() in known:
        text, tail = head, f"{last},{tail}"
        head, comma, last = text.rpartition(",")
    return text, tail


def _masked(text: str) -> str:
    """Text of a user's for an error message: what may be a key is left out."""
    return re.sub(r"(?i)key=[^,]*", "key=...", text)


def _options(scheme: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        name = name.strip().lower()
        if name in options:
            raise ConnectionStringError(f"{scheme}: {name} is given twice")
        options[name] = value.strip()
    return options


def _check(spec: Spec) -> None:
    known = _KNOWN_OPTIONS.get(spec.scheme)
    if known is None:
        return
    unknown = sorted(set(spec.options) - known)
    if unknown:
        raise ConnectionStringError(
            f"{spec.scheme}: doesn't know the option {unknown[0]!r}", f"it knows {', '.join(sorted(known))}"
        )
    required = ("port", "key") if spec.scheme == "net" else ("port",)
    for name in required:
        if not spec.options.get(name):
            raise ConnectionStringError(f"{spec.scheme}: needs {name}=", f"e.g. {EXAMPLES[spec.scheme]}")
