r"""`!object !drvobj !devobj !devstack`: the namespace, drivers and devices (the command reference, 7.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.drivers import describe_device, describe_driver, device_stack, find_device, find_driver
from kdnb.debugger.objects import Objects
from kdnb.errors import UsageError

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

CONTENTS = 8
DEFAULT_FLAGS = 9


@command(
    "!object",
    summary="Show an object: header, name, what a directory holds, where a link leads.",
    syntax="!object Address [Flags]\n!object \\Path\n!object 0 TypeName",
    details="Address is that of the object's body. Flag 8 shows what a directory holds; 9 unless given. The form with "
    "a TypeName lists objects of that type which have a name.",
    examples=("!object \\", "!object \\Device", "!object \\DosDevices\\C:", "!object 0 Driver"),
)
def show_object(session: Session, arguments: Arguments) -> Result:
    """One object, or those of a type."""
    objects = Objects(session)
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


def _name(arguments: Arguments) -> str:
    name = arguments.quoted() or arguments.word()
    if not name:
        raise UsageError(f"{arguments.name} needs a name or an address", f".hh {arguments.name} shows the syntax")
    return name
