"""Every exception that kdnb raises on purpose.

The first split is whose doing it was: `UsageError` says that what was asked for was wrong,
`TargetError` that the target or the line to it failed, `CaptureError` that a file did.
Each message is one line; `hint` is the next step, and `str()` joins the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AuthenticationError",
    "Cancelled",
    "CaptureError",
    "CapturesError",
    "CommandError",
    "ConnectError",
    "ConnectionStringError",
    "DecodeError",
    "ExpressionError",
    "KdnbError",
    "LinkError",
    "MemoryReadError",
    "MemoryWriteError",
    "MissingExtraError",
    "NoTargetError",
    "ReadOnlyError",
    "RequestFailed",
    "StaleError",
    "SymbolFileError",
    "TargetError",
    "TargetRunningError",
    "TransportClosed",
    "UnknownNameError",
    "UnsupportedError",
    "UsageError",
]

MOST_NAMED = 3
"""Files that one message names."""


class KdnbError(Exception):
    """Root of the tree. `hint` names the next step; empty where there is none."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message.removesuffix('.')}; {self.hint}" if self.hint else self.message


# --- what was asked for was wrong -----------------------------------------------------------------


class UsageError(KdnbError):
    """The request itself can't be carried out as written; nothing was sent."""


class ConnectionStringError(UsageError):
    """A connection string or fault rule that can't be read."""


class ExpressionError(UsageError):
    """A MASM expression with a syntax, range or operand error; texts follow WinDbg's."""


class UnknownNameError(ExpressionError, KeyError):
    """A name that is no register, number or symbol. `near` holds the closest known names.

    A `KeyError` too, so that collections of named things behave as mappings do.
    """

    def __init__(self, message: str, hint: str = "", near: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.near = tuple(near)


class NoTargetError(UsageError):
    """A command that needs a target came before `connect`."""


class TargetRunningError(UsageError):
    """The target runs and this needs it stopped."""


class ReadOnlyError(UsageError):
    """The session is read-only and this would change the target."""


class StaleError(UsageError):
    """An object from an earlier stop was asked for something only the present stop knows."""


class UnsupportedError(UsageError):
    """This target (a dump, a capture, another machine) can't do that."""


class MissingExtraError(UsageError):
    """An optional package is not installed; the hint names the extra."""


class Cancelled(KdnbError):
    """The user stopped the command."""


class CommandError(KdnbError):
    """A command of a list failed. `results` holds what the commands before it returned."""

    def __init__(self, message: str, hint: str = "", *, command: str = "", results: Sequence[object] = ()) -> None:
        super().__init__(message, hint)
        self.command = command
        self.results = list(results)


# --- the target or the line did wrong --------------------------------------------------------------


class TargetError(KdnbError):
    """The target or the line to it failed."""


class TransportClosed(TargetError):
    """The other end closed the byte stream, or the device went away."""


class LinkError(TargetError):
    """The link gave up: too many resends, or no answer within the limit."""


class ConnectError(TargetError):
    """No session came about within the time given."""


class AuthenticationError(TargetError):
    """KDNET frames arrive but don't authenticate: the key is wrong."""


class DecodeError(TargetError):
    """Bytes that don't have the shape their header promises."""


class RequestFailed(TargetError):
    """The target answered a request with a failure. `api` is its name, `status` the NTSTATUS."""

    def __init__(self, message: str, hint: str = "", *, api: str = "", status: int = 0) -> None:
        super().__init__(message, hint)
        self.api = api
        self.status = status


class MemoryReadError(TargetError):
    """Memory at `address` can't be read; `partial` holds the bytes before the hole (`size` were asked)."""

    def __init__(self, address: int, size: int, partial: bytes = b"", hint: str = "") -> None:
        hole = address + len(partial)
        super().__init__(f"memory access error: can't read {hole:#x} ({len(partial)} of {size} bytes read)", hint)
        self.address = address
        self.size = size
        self.partial = partial


class MemoryWriteError(TargetError):
    """Memory at `address` can't be written; `written` bytes went in before the failure."""

    def __init__(self, address: int, size: int, written: int = 0, hint: str = "") -> None:
        super().__init__(
            f"memory access error: can't write {address + written:#x} ({written} of {size} bytes written)", hint
        )
        self.address = address
        self.size = size
        self.written = written


# --- a file did wrong -------------------------------------------------------------------------------


class CaptureError(KdnbError):
    """A capture, recording or dump that can't be read (any further)."""


class CapturesError(CaptureError):
    """Some of several files are no captures that can be opened. `opened` holds the others, in order of their paths,
    `failed` the error of each path that failed."""

    def __init__(self, opened: Sequence[object], failed: Mapping[str, KdnbError]) -> None:
        reasons = [error.message.removesuffix(".") for error in failed.values()]
        named = "; ".join(reasons[:MOST_NAMED]) + (f"; {len(reasons) - MOST_NAMED} more" * (len(reasons) > MOST_NAMED))
        message = f"{len(failed)} of {len(failed) + len(opened)} files can't be opened as captures: {named}"
        super().__init__(message, "the others are in this error's `opened`" if opened else "check the pattern")
        self.opened = list(opened)
        self.failed = dict(failed)


class SymbolFileError(KdnbError):
    """A PE or PDB file that can't be read."""
