"""Objects: headers with type and name before each body, and the directories that make the namespace.

The header's TypeIndex is mixed with a byte of the header's address and a cookie since Windows 10; before it was plain,
and before Windows 7 the header held a pointer to its type (public PDBs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import MemoryReadError, UnknownNameError, UnsupportedError
from kdnb.results.objects import DirectoryEntry, ObjectInfo, ObjectList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.kernel_records import Record
    from kdnb.debugger.session import Session

__all__ = ["Objects"]

CREATOR_INFO, NAME_INFO = 1, 2
"""Bits of InfoMask: structs before the header, the creator's next to it."""
BUCKETS = 37
CHAIN_LIMIT = 4096
DEPTH_LIMIT = 16
LINK_LIMIT = 8


class Objects:
    """The object namespace of a session's target."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._records = session.processes.records
        self._types: dict[int, str] = {}

    def describe(self, address: int, *, contents: bool = True) -> ObjectInfo:
        """The object whose body is at `address`."""
        header = self._header(address)
        type_address, type_name = self.type_of(header)
        name, directory = self.name_of(header)
        entries: tuple[DirectoryEntry, ...] = ()
        note = target = ""
        if type_name == "Directory" and contents:
            found: list[DirectoryEntry] = []
            try:
                found.extend(self.entries(address))
            except MemoryReadError as error:
                note = f"the directory ends early: {error.message}"
            entries = tuple(found)
        if type_name == "SymbolicLink":
            target = self.link_target(address)
        if type_name == "File":
            name = self.file_name(address)
        return ObjectInfo(
            address=address,
            type_address=type_address,
            type=type_name,
            header=header.address,
            handle_count=header.number("HandleCount"),
            pointer_count=header.number("PointerCount"),
            address_size=self._session.pointer_size,
            name=name,
            directory=directory,
            target=target,
            entries=entries,
            note=note,
        )

    def lookup(self, path: str, *, follow: bool = False) -> int:
        r"""Body of the object at `\A\B`; links inside the path are followed, the last one with `follow`."""
        at, parts, links = self.root(), [part for part in path.split("\\") if part], 0
        while parts:
            part = parts.pop(0)
            at = self._child(at, part, path)
            if not parts and not follow:
                break
            if self.type_of(self._header(at))[1] == "SymbolicLink":
                links += 1
                if links > LINK_LIMIT:
                    raise UnknownNameError(f"{path[:80]} leads through too many links")
                at, parts = self.root(), [part for part in self.link_target(at).split("\\") if part] + parts
        return at

    def of_type(self, type_name: str) -> ObjectList:
        """The objects of one type that have a name, by a walk of the whole namespace."""
        found = [
            self.describe(entry.address, contents=False)
            for entry in self._everything(self.root(), 0, set())
            if entry.type.lower() == type_name.lower()
        ]
        return ObjectList(type_name, tuple(found), self._session.pointer_size)

    def root(self) -> int:
        """The root directory."""
        block = self._session.debugger_data
        place = block.get("obp_root_directory_object") if block is not None else None
        if place is None:
            raise UnsupportedError("the target's data block doesn't give ObpRootDirectoryObject")
        return self._session.memory.read_pointer(place)

    def entries(self, directory: int) -> Iterator[DirectoryEntry]:
        """What a directory holds, bucket by bucket."""
        size = self._session.pointer_size
        buckets = self._records.read("_OBJECT_DIRECTORY", directory, ["HashBuckets"]).bytes("HashBuckets")
        seen: set[int] = set()
        for bucket in range(min(BUCKETS, len(buckets) // size)):
            link = int.from_bytes(buckets[bucket * size : (bucket + 1) * size], "little")
            while link and link not in seen and len(seen) < CHAIN_LIMIT:
                self._session.require_stopped()  # sees a cancel
                seen.add(link)
                entry = self._records.read("_OBJECT_DIRECTORY_ENTRY", link)
                address = entry.number("Object")
                header = self._header(address)
                yield DirectoryEntry(bucket, address, self.type_of(header)[1], self.name_of(header)[0])
                link = entry.number("ChainLink")

    def name_of(self, header: Record) -> tuple[str, int]:
        """Name and directory of an object; empty and 0 without a name."""
        mask = header.number("InfoMask")
        if not mask & NAME_INFO:
            return "", 0
        before = self._records.layout("_OBJECT_HEADER_NAME_INFO").size
        if mask & CREATOR_INFO:
            before += self._records.layout("_OBJECT_HEADER_CREATOR_INFO").size
        try:
            info = self._records.read("_OBJECT_HEADER_NAME_INFO", header.address - before)
        except MemoryReadError:
            return "", 0
        return self._records.string(info, "Name"), info.number("Directory")

    def full_name(self, address: int) -> str:
        r"""`\Device\Harddisk0\DR0`; empty without a name. The root's own name is a backslash."""
        parts: list[str] = []
        found = ""
        while address and len(parts) < DEPTH_LIMIT:
            try:
                name, address = self.name_of(self._header(address))
            except MemoryReadError:
                break
            found = found or name
            if name and name != "\\":
                parts.insert(0, name)
        return "\\" + "\\".join(parts) if found else ""

    def type_of(self, header: Record) -> tuple[int, str]:
        """OBJECT_TYPE of an object and its name; 0 and `?` where it can't be found."""
        session = self._session
        address = header.number("Type")
        if not address:
            table = session.symbols.lookup("nt!ObTypeIndexTable")
            index = header.get("TypeIndex")
            if table is None or index is None:
                return 0, "?"
            cookie = session.symbols.lookup("nt!ObHeaderCookie")
            try:
                if cookie is not None:
                    index ^= header.address >> 8 & 0xFF ^ session.memory.read_u8(cookie)
                address = session.memory.read_pointer(table + index * session.pointer_size)
            except MemoryReadError:
                return 0, "?"
        return address, self._type_name(address)

    def _type_name(self, address: int) -> str:
        if address not in self._types:
            try:
                self._types[address] = self._records.string(self._records.read("_OBJECT_TYPE", address), "Name") or "?"
            except MemoryReadError:
                return "?"
        return self._types[address]

    def link_target(self, address: int) -> str:
        """Where a symbolic link leads."""
        return self._records.string(self._records.read("_OBJECT_SYMBOLIC_LINK", address, ["LinkTarget"]), "LinkTarget")

    def file_name(self, address: int) -> str:
        r"""Path of a file object and its device, as WinDbg writes them: `\Windows\notepad.exe {HarddiskVolume1}`."""
        try:
            record = self._records.read("_FILE_OBJECT", address, ["FileName", "DeviceObject"])
        except MemoryReadError:
            return ""
        device = self.full_name(record.number("DeviceObject")).removeprefix("\\Device").removeprefix("\\")
        return " ".join(part for part in (self._records.string(record, "FileName"), f"{{{device}}}") if part != "{}")

    def _header(self, address: int) -> Record:
        before = self._records.layout("_OBJECT_HEADER", ["Type"]).offset("Body")
        return self._records.read("_OBJECT_HEADER", address - before, ["Type"])

    def _child(self, directory: int, name: str, path: str) -> int:
        if self.type_of(self._header(directory))[1] != "Directory":
            raise UnknownNameError(f"Object {path[:80]} not found", "only directories hold names")
        for entry in self.entries(directory):
            if entry.name.lower() == name.lower():
                return entry.address
        raise UnknownNameError(f"Object {path[:80]} not found", "!object \\ shows the root")

    def _everything(self, directory: int, depth: int, seen: set[int]) -> Iterator[DirectoryEntry]:
        seen.add(directory)
        for entry in self.entries(directory):
            yield entry
            if entry.type == "Directory" and entry.address not in seen and depth < DEPTH_LIMIT:
                yield from self._everything(entry.address, depth + 1, seen)
