"""What an address is used for: an image, a stack, pool, a range of a process, page tables.

Only what the target itself notes is asked: module list, threads' stacks, KDBG's pool bounds, the process's VADs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.debugger.paging import translate
from kdnb.debugger.pool import regions
from kdnb.debugger.shared_data import SHARED_DATA, USER_SHARED_DATA
from kdnb.debugger.vads import list_vads, vad_root
from kdnb.errors import KdnbError
from kdnb.results.decoded import AddressUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kdnb.debugger.session import Session
    from kdnb.results.processes import ThreadInfo

__all__ = ["describe_address"]

PAGE_SIZE = 0x1000
WAITS = 2
_Found = tuple[str, int, int, tuple[tuple[str, str], ...], tuple[str, ...]]
"""Usage, first address, the one behind the last, details, commands."""
_NO_EXECUTE = 1 << 63
_WRITABLE, _COPY = 2, 0x200


def describe_address(session: Session, address: int) -> AddressUsage:
    """The region around an address, by the first of these that knows it."""
    found = next((one for finder in _FINDERS for one in _tried(session, finder, address)), None)
    usage, start, end, details, commands = found if found is not None else ("<unknown>", None, None, (), ())
    return AddressUsage(
        address, session.pointer_size, usage, start, end, _protection(session, address), details, commands
    )


def _tried(session: Session, finder: Callable[[Session, int], Iterator[_Found]], address: int) -> Iterator[_Found]:
    """What a finder knows; nothing where the target doesn't tell."""
    try:
        yield from finder(session, address)
    except KdnbError:
        session.require_stopped()  # a cancel ends the command


def _image(session: Session, address: int) -> Iterator[_Found]:
    module = session.modules.find(address)
    if module is not None:
        details = (("Module name", module.image_name), ("Module path", module.path))
        commands = (f"lmv m {module.name}", f"!lmi {module.name}", f"ln 0x{address:x}")
        yield "Image", module.base, module.end, details, commands


def _shared_page(session: Session, address: int) -> Iterator[_Found]:
    places = {SHARED_DATA.get(session.pointer_size, 0), USER_SHARED_DATA}
    page = address & -PAGE_SIZE
    if page in places:
        yield "SharedUserData", page, page + PAGE_SIZE, (), (".time", f"dt nt!_KUSER_SHARED_DATA 0x{page:x}")


def _range_of_process(session: Session, address: int) -> Iterator[_Found]:
    if not session.address_space.is_user(address):
        return
    process = session.address_space.seen()
    for vad in list_vads(session, vad_root(session, process)).vads:
        if vad.start <= address <= vad.end:
            details = (("Process", f"{process:x}"), ("Mapped file", vad.name or "none (private memory)"))
            yield "Vad", vad.start, vad.end + 1, details, ("!vad",)


def _pool(session: Session, address: int) -> Iterator[_Found]:
    for region in regions(session):
        if region.start <= address < region.end:
            yield region.name.title().replace(" ", ""), region.start, region.end, (), (f"!pool 0x{address:x}",)


def _stack(session: Session, address: int) -> Iterator[_Found]:
    for thread in _threads(session):
        if thread.stack_limit <= address < thread.stack_base:
            details = (("Thread", f"{thread.address:x}  Cid {thread.pid:04x}.{thread.tid:04x}  {thread.image}"),)
            yield "Stack", thread.stack_limit, thread.stack_base, details, (f"!thread 0x{thread.address:x}",)
            return


def _threads(session: Session) -> Iterator[ThreadInfo]:
    """Those on the processors first, the idle ones among them: no list has these."""
    for processor in session.processes.processors():
        yield from (session.processes.thread(address, 0) for address in {processor.current, processor.idle})
    for process in session.processes.listing(flags=WAITS):
        yield from process.threads


def _protection(session: Session, address: int) -> str:
    """As the page tables have it, in the words of VirtualQuery."""
    try:
        walk = translate(session, address)
    except KdnbError as error:
        session.require_stopped()  # a cancel ends the command
        return f"unknown: {error.message}"
    if walk.physical is None:
        return "the page is not there"
    wide = session.pointer_size == 8 or walk.pae
    writable = all(entry.value & _WRITABLE for entry in walk.entries if entry.level != "PDPE" or not walk.pae)
    executable = not (wide and any(entry.value & _NO_EXECUTE for entry in walk.entries))
    copied = bool(walk.entries[-1].value & _COPY)
    word = "READWRITE" if writable else "WRITECOPY" if copied else "READ" if executable else "READONLY"
    return f"PAGE_EXECUTE_{word}" if executable else f"PAGE_{word}"


_FINDERS: tuple[Callable[[Session, int], Iterator[_Found]], ...] = (
    _image,
    _shared_page,
    _range_of_process,
    _pool,
    _stack,
)
