"""PEB and TEB, read from the process that is seen.

Offsets are those of public headers, the same since Windows XP; the kernel's PDB isn't needed. All of it lies in user
memory: whatever a program wrote there is bounded and cleaned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.loader_list import LoaderList, clean
from kdnb.errors import MemoryReadError
from kdnb.results.user_blocks import LoadedImage, LoaderLinks, ProcessEnvironment, ThreadEnvironment

if TYPE_CHECKING:
    from kdnb.debugger.session import Session

__all__ = ["process_environment", "thread_environment"]

MAX_NAME = 0x800
MAX_ENVIRONMENT = 0x8000
"""Bytes of each name, and of the environment block: Windows' own limit for the latter is 32767 characters."""

# Field -> offset, by pointer size.
_PEB = {
    8: {"base": 0x10, "ldr": 0x18, "parameters": 0x20, "subsystem": 0x28, "heap": 0x30, "flag": 0xBC},
    4: {"base": 0x08, "ldr": 0x0C, "parameters": 0x10, "subsystem": 0x14, "heap": 0x18, "flag": 0x68},
}
_PARAMETERS = {
    8: {"directory": 0x38, "dlls": 0x50, "image": 0x60, "command": 0x70, "environment": 0x80, "title": 0xB0},
    4: {"directory": 0x24, "dlls": 0x30, "image": 0x38, "command": 0x40, "environment": 0x48, "title": 0x70},
}
_LOAD_ORDER = {8: 0x10, 4: 0x0C}
_TIME_STAMP = {8: 0x80, 4: 0x44}
_LAST_STATUS, _HARD_ERROR_MODE = {8: 0x1250, 4: 0xBF4}, {8: 0x16B0, 4: 0xF28}


class _Block:
    """A struct in user memory, of which fields are picked."""

    def __init__(self, session: Session, address: int, size: int) -> None:
        self._size = session.pointer_size
        self._data = session.memory.read(address, size)

    def number(self, offset: int, size: int = 4) -> int:
        return int.from_bytes(self._data[offset : offset + size], "little")

    def pointer(self, offset: int) -> int:
        return self.number(offset, self._size)

    def pointers(self, offset: int) -> tuple[int, int]:
        return self.pointer(offset), self.pointer(offset + self._size)


def process_environment(session: Session, address: int) -> ProcessEnvironment:
    """The PEB at an address. Raises `MemoryReadError` where it can't be read."""
    places = _PEB[session.pointer_size]
    block = _Block(session, address, places["flag"] + 4)
    names, environment = _parameters(session, block.pointer(places["parameters"]))
    loader, images, note = _loader(session, block.pointer(places["ldr"]))
    return ProcessEnvironment(
        address=address,
        inherited_address_space=bool(block.number(0, 1)),
        read_image_file_options=bool(block.number(1, 1)),
        being_debugged=bool(block.number(2, 1)),
        image_base=block.pointer(places["base"]),
        global_flag=block.number(places["flag"]),
        subsystem_data=block.pointer(places["subsystem"]),
        process_heap=block.pointer(places["heap"]),
        loader=loader,
        images=images,
        parameters=block.pointer(places["parameters"]),
        current_directory=names.get("directory"),
        window_title=names.get("title"),
        image_file=names.get("image"),
        command_line=names.get("command"),
        dll_path=names.get("dlls"),
        environment=environment,
        variables=_variables(session, environment),
        address_size=session.pointer_size,
        note=note,
    )


def _loader(session: Session, address: int) -> tuple[LoaderLinks | None, tuple[LoadedImage, ...], str]:
    """PEB_LDR_DATA and the images in load order; and why they are not all."""
    if not address:
        return None, (), "the process has not loaded its images"
    size = session.pointer_size
    start = _LOAD_ORDER[size]
    try:
        block = _Block(session, address, start + 6 * size)
    except MemoryReadError as error:
        return None, (), error.message
    lists = [block.pointers(start + number * 2 * size) for number in range(3)]
    links = LoaderLinks(address, bool(block.number(4, 1)), lists[2], lists[0], lists[1])
    walk = LoaderList(session, address + start)
    images = [
        LoadedImage(entry.base, entry.size, _number(session, at + _TIME_STAMP[size]) or 0, path)
        for at, entry, path in walk
    ]
    return links, tuple(images), walk.note


def _parameters(session: Session, address: int) -> tuple[dict[str, str | None], int]:
    """The texts in RTL_USER_PROCESS_PARAMETERS, and the address of the environment."""
    places = _PARAMETERS[session.pointer_size]
    try:
        block = _Block(session, address, places["title"] + 2 * session.pointer_size)
    except MemoryReadError:
        return {}, 0
    names = {
        name: _text(session, block.number(offset, 2), block.pointer(offset + session.pointer_size))
        for name, offset in places.items()
        if name != "environment"
    }
    return names, block.pointer(places["environment"])


def _text(session: Session, length: int, buffer: int) -> str | None:
    """A UNICODE_STRING; None where it can't be read."""
    if not length:
        return ""
    data = session.memory.read_available(buffer, min(length, MAX_NAME)) if buffer else b""
    return clean(data[: len(data) & ~1].decode("utf-16-le", "replace")) if data else None


def _variables(session: Session, address: int) -> tuple[str, ...]:
    """The environment: texts one after the other, the last one empty."""
    data = session.memory.read_available(address, MAX_ENVIRONMENT) if address else b""
    texts = data[: len(data) & ~1].decode("utf-16-le", "replace").split("\0")
    return tuple(clean(text) for text in texts[: texts.index("")] if text) if "" in texts else ()


def _number(session: Session, address: int) -> int | None:
    data = session.memory.read_available(address, 4)
    return int.from_bytes(data, "little") if len(data) == 4 else None


def thread_environment(session: Session, address: int) -> ThreadEnvironment:
    """The TEB at an address. Raises `MemoryReadError` where it can't be read."""
    size = session.pointer_size
    block = _Block(session, address, 13 * size + 8)
    exceptions, base, limit, subsystem, fiber, arbitrary, own, environment, process, thread, rpc, tls, peb = (
        block.pointer(number * size) for number in range(13)
    )
    return ThreadEnvironment(
        address=address,
        exception_list=exceptions,
        stack_base=base,
        stack_limit=limit,
        sub_system_tib=subsystem,
        fiber_data=fiber,
        arbitrary_user_pointer=arbitrary,
        self_pointer=own,
        environment_pointer=environment,
        process_id=process,
        thread_id=thread,
        rpc_handle=rpc,
        tls_storage=tls,
        peb=peb,
        last_error=block.number(13 * size),
        owned_locks=block.number(13 * size + 4),
        last_status=_number(session, address + _LAST_STATUS[size]),
        hard_error_mode=_number(session, address + _HARD_ERROR_MODE[size]),
        address_size=size,
    )
