r"""Objects: `!object !handle !drvobj !devobj !devstack !fileobj` (the command reference, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.drivers import (
    describe_device,
    describe_driver,
    describe_file,
    device_stack,
    find_device,
    find_driver,
)
from kdnb.debugger.handles import Handles
from kdnb.debugger.objects import Objects
from kdnb.errors import UsageError
from kdnb.results.handles import HandleLists

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

CONTENTS = 8
DEFAULT_FLAGS = 9
BASIC, OBJECT, FREE, KERNEL_TABLE, BY_ID = 1, 2, 4, 0x10, 0x20
"""Flags of !handle."""
SYSTEM_PROCESS, ALL_PROCESSES = 4, -1


@command(
    "!object",
    summary="Show an object: header, name, what a directory holds, where a link leads.",
    syntax="!object [-r] Address [Flags]\n!object [-r] \\Path\n!object [-r] 0 TypeName",
    details="Address is that of the object's body. Flag 8 shows what a directory holds; 9 unless given. The form with "
    "a TypeName lists objects of that type which have a name.",
    examples=("!object \\", "!object \\Device", "!object \\DosDevices\\C:", "!object 0 Driver"),
)
def show_object(session: Session, arguments: Arguments) -> Result:
    """One object, or those of a type."""
    objects = Objects(session)
    arguments.match(r"-r(?=\s|$)")  # WinDbg reads its table of objects again; there is none here
    if arguments.rest.startswith("\\"):
        return objects.describe(objects.lookup(arguments.all().strip()))
    address = arguments.expression()
    if not address:
        name = arguments.word()
        if not name:
            raise UsageError("!object 0 needs the name of a type", "!object 0 Driver")
        return objects.of_type(name)
    flags = arguments.expression(DEFAULT_FLAGS)
    arguments.finish()
    return objects.describe(address & session.address_mask, contents=bool(flags & CONTENTS))


@command(
    "!handle",
    summary="Show the handles of a process and the objects they stand for.",
    syntax="!handle [Handle [Flags [Process [TypeName]]]]",
    details="Handle 0 or nothing means all. Flags: 1 handle, access and attributes, 2 the object as !object shows it, "
    "4 unused entries too, 10 the kernel's own table, 20 Handle is a process or thread id; 3 unless given. Process is "
    "an EPROCESS or a process id; 0 or nothing means the current one, -1 all. With a TypeName only handles to objects "
    "of that type are shown.",
    examples=("!handle 0 1 1f4", "!handle 0 3 -1 Event", "!handle 1044 23"),
    tier="B",
)
def show_handles(session: Session, arguments: Arguments) -> Result:
    """One handle, or those of one process or of all."""
    handle, flags = max(_number(arguments, 0), 0), _number(arguments, BASIC | OBJECT)
    which = _number(arguments, 0)
    every = which == ALL_PROCESSES
    type_name = arguments.word()
    arguments.finish()
    handles, processes = Handles(session), session.processes
    details, free = bool(flags & OBJECT), bool(flags & FREE)
    if flags & BY_ID:
        return handles.by_id(handle, details=details)
    if every:
        listing = processes.listing()
        found = (
            handles.of_process(process, type_name=type_name, details=details, free=free)
            for process in listing
            if process.object_table
        )
        return HandleLists(tuple(each for each in found if each.handles or each.note), listing.note)
    if flags & KERNEL_TABLE:
        which = SYSTEM_PROCESS
    address = processes.find(which) if which else session.address_space.process or processes.current()
    process = processes.describe(address)
    if handle:
        return handles.one(process, handle, details=details)
    return handles.of_process(process, type_name=type_name, details=details, free=free)


def _number(arguments: Arguments, default: int) -> int:
    """The expression up to the next blank, so that `3 -1` is two; -1 stands for all."""
    word = arguments.word()
    if not word:
        return default
    return -1 if word == "-1" else arguments.session.evaluate(word)


@command(
    "!drvobj",
    summary="Show a driver object: its devices and its functions.",
    syntax="!drvobj Name|Address [Flags]",
    details="A name without a path is looked for in \\Driver and \\FileSystem. Flags: 1 devices (unless given), 2 "
    "entry points and dispatch table.",
    examples=("!drvobj disk", "!drvobj \\Driver\\ntfs 3"),
)
def show_driver(session: Session, arguments: Arguments) -> Result:
    """One driver."""
    address = find_driver(session, _name(arguments))
    flags = arguments.expression(1)
    arguments.finish()
    return describe_driver(session, address, flags)


@command(
    "!devobj",
    summary="Show a device object and the devices above and below it.",
    syntax="!devobj Name|Address",
    details="A name without a path is looked for in \\Device.",
    examples=("!devobj Buggy", "!devobj \\Ntfs"),
)
def show_device(session: Session, arguments: Arguments) -> Result:
    """One device."""
    address = find_device(session, _name(arguments))
    arguments.finish()
    return describe_device(session, address)


@command(
    "!devstack",
    summary="Show the devices that are attached to each other.",
    syntax="!devstack Name|Address",
    details="The upper device comes first; > marks the given one.",
    examples=("!devstack \\Ntfs",),
    tier="B",
)
def show_device_stack(session: Session, arguments: Arguments) -> Result:
    """The whole stack of one device."""
    address = find_device(session, _name(arguments))
    arguments.finish()
    return device_stack(session, address)


@command(
    "!fileobj",
    summary="Show a file object: its name, device, access and flags.",
    syntax="!fileobj Address",
    details="!irp shows the file object of each stack location.",
    examples=("!fileobj poi(poi(poi(buggy!BuggyDevice)+20)+c0)",),
    tier="B",
)
def show_file(session: Session, arguments: Arguments) -> Result:
    """One file object."""
    if arguments.at_end:
        raise UsageError("!fileobj needs the address of a file object", "!irp shows that of each stack location")
    address = arguments.expression() & session.address_mask
    arguments.finish()
    return describe_file(session, address)


def _name(arguments: Arguments) -> str:
    name = arguments.quoted() or arguments.word()
    if not name:
        raise UsageError(f"{arguments.name} needs a name or an address", f".hh {arguments.name} shows the syntax")
    return name
