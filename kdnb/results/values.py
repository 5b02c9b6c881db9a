"""Numbers, texts and facts about the target: what `?`, `.formats`, `.echo`, `vertarget` and help return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdnb.results.base import Result

if TYPE_CHECKING:
    from kdnb.results.clock import TargetTime

__all__ = [
    "BugCheck",
    "BugCheckHelp",
    "ErrorCode",
    "Evaluation",
    "ExceptionInfo",
    "Formats",
    "LastErrors",
    "MsrValue",
    "PortValue",
    "TargetInfo",
    "Text",
]


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Result):
    """Value of an expression (`?`); behaves as the number in Python."""

    value: int
    """Unsigned 64-bit."""
    address_size: int

    def __int__(self) -> int:
        return self.value

    def __index__(self) -> int:
        return self.value


@dataclass(frozen=True, slots=True, repr=False)
class Formats(Result):
    """A number in all the ways of `.formats`."""

    value: int
    address_size: int

    def __int__(self) -> int:
        return self.value


@dataclass(frozen=True, slots=True, repr=False)
class Text(Result):
    """Words with no structure: `.echo`, help, a state in a line. Empty text shows as nothing."""

    text: str
    ends_line: bool = True
    """False where more text follows on the same line (`.printf`)."""


@dataclass(frozen=True, slots=True, repr=False)
class TargetInfo(Result):
    """Who the target is (`vertarget`, `version`)."""

    machine: str
    major_version: int
    build: int
    protocol: int
    processor_count: int
    free_build: bool
    kernel_base: int
    loaded_module_list: int
    debugger_data: int
    address_size: int
    build_lab: str = ""
    spec: str = ""
    symbol_path: str = ""
    target_kind: str = "NT"
    """NT, boot debugger, EFI, hypervisor, ... (high byte of MajorVersion)."""
    debugger: str = ""
    """kdnb's own version, where it was asked for too (`version`)."""
    time: TargetTime | None = None
    """Its clock at this stop, where it can be read."""


@dataclass(frozen=True, slots=True, repr=False)
class BugCheck(Result):
    """Code and parameters of a bug check (`.bugcheck`)."""

    code: int
    parameters: tuple[int, ...]
    address_size: int
    name: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class BugCheckHelp(Result):
    """The words for a bug check code (`!analyze -show`)."""

    code: int
    name: str
    explanation: str
    parameters: tuple[int, ...]
    meanings: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class ErrorCode(Result):
    """A status or error number and its words (`!error`)."""

    value: int
    kind: str
    """`NTSTATUS` or `Win32`."""
    name: str
    text: str

    def __int__(self) -> int:
        return self.value


@dataclass(frozen=True, slots=True, repr=False)
class ExceptionInfo(Result):
    """An exception record (`.exr`)."""

    address: int
    code: int
    flags: int
    parameters: tuple[int, ...]
    address_size: int
    symbol: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class LastErrors(Result):
    """What a thread's last calls left in its TEB (`!gle`)."""

    error: ErrorCode
    status: ErrorCode


@dataclass(frozen=True, slots=True, repr=False)
class MsrValue(Result):
    """A model-specific register (`rdmsr`)."""

    msr: int
    value: int

    def __int__(self) -> int:
        return self.value


@dataclass(frozen=True, slots=True, repr=False)
class PortValue(Result):
    """What a port gave (`ib iw id`)."""

    port: int
    value: int
    size: int

    def __int__(self) -> int:
        return self.value
