"""Numbers and small records in words: `!gflag`, `!ioctldecode`, `!obja`, `!address`."""

from __future__ import annotations

from dataclasses import dataclass

from kdnb.results.base import Result

__all__ = ["AddressUsage", "GlobalFlags", "IoControlCode", "ObjectAttributes"]


@dataclass(frozen=True, slots=True, repr=False)
class GlobalFlags(Result):
    """`NtGlobalFlag` of the target."""

    value: int
    names: tuple[tuple[str, str], ...]
    """Abbreviation and meaning of each bit that is set."""
    is_new: bool = False
    """Whether the command has just set it."""


@dataclass(frozen=True, slots=True, repr=False)
class IoControlCode(Result):
    """The parts of an I/O control code."""

    code: int
    device_type: int
    device_names: tuple[str, ...]
    method: int
    access: int
    function: int


@dataclass(frozen=True, slots=True, repr=False)
class ObjectAttributes(Result):
    """An OBJECT_ATTRIBUTES record."""

    address: int
    address_size: int
    root_directory: int
    name: str
    """Empty where it names no object."""
    attributes: int
    names: tuple[str, ...]
    """`OBJ_...` of each bit that is set and known."""
    problem: str = ""
    """Why the name can't be read."""


@dataclass(frozen=True, slots=True, repr=False)
class AddressUsage(Result):
    """What an address is used for."""

    address: int
    address_size: int
    usage: str
    """`Image`, `Stack`, `PagedPool`, `NonPagedPool`, `SharedUserData`, `PageTables`, `Vad`, or `<unknown>`."""
    start: int | None
    """First address of the region; None where only the page is known."""
    end: int | None
    """The first address behind it."""
    protection: str
    """`PAGE_READWRITE` and the like, from the page tables, or why they don't tell."""
    details: tuple[tuple[str, str], ...] = ()
    """Word and text of what else is known (`Module name`, `Thread`)."""
    commands: tuple[str, ...] = ()
    """Commands that tell more."""
