"""FILE_IO: the target asks the host for files, `.kdfiles` (protocol reference 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from kdnb.protocol.constants import FILE_IO_SIZE, FileIoApi, PacketType, Status
from kdnb.protocol.messages.message import Message, RawMessage
from kdnb.protocol.wire import Structure, padding, raw, u32, u64

__all__ = [
    "CloseFileBody",
    "CreateFileBody",
    "FileIo",
    "FileIoHeader",
    "FileTransferBody",
    "RawFileBody",
    "decode_file_io",
]


@dataclass(frozen=True, slots=True)
class FileIoHeader(Structure):
    """First 8 bytes of DBGKD_FILE_IO."""

    api: Annotated[int, u32("ApiNumber", "3430 create, 3431 read, 3432 write, 3433 close")] = 0
    status: Annotated[int, u32("Status", "NTSTATUS of the reply")] = 0


@dataclass(frozen=True, slots=True)
class CreateFileBody(Structure):
    """CreateFile; the name is the message's data."""

    desired_access: Annotated[int, u32("DesiredAccess", "ACCESS_MASK")] = 0
    file_attributes: Annotated[int, u32("FileAttributes", "")] = 0
    share_access: Annotated[int, u32("ShareAccess", "")] = 0
    create_disposition: Annotated[int, u32("CreateDisposition", "1 = FILE_OPEN")] = 0
    create_options: Annotated[int, u32("CreateOptions", "")] = 0
    padding: Annotated[bytes, padding(4)] = bytes(4)
    handle: Annotated[int, u64("Handle", "of the reply")] = 0
    length: Annotated[int, u64("Length", "file size in the reply")] = 0
    unused: Annotated[bytes, padding(16)] = bytes(16)


@dataclass(frozen=True, slots=True)
class FileTransferBody(Structure):
    """ReadFile and WriteFile; the bytes are the message's data."""

    handle: Annotated[int, u64("Handle", "from CreateFile")] = 0
    offset: Annotated[int, u64("Offset", "in the file")] = 0
    length: Annotated[int, u32("Length", "bytes; in the reply bytes done")] = 0
    unused: Annotated[bytes, padding(36)] = bytes(36)


@dataclass(frozen=True, slots=True)
class CloseFileBody(Structure):
    """CloseFile."""

    handle: Annotated[int, u64("Handle", "from CreateFile")] = 0
    unused: Annotated[bytes, padding(48)] = bytes(48)


@dataclass(frozen=True, slots=True)
class RawFileBody(Structure):
    """The union of an unknown API."""

    union: Annotated[bytes, raw(56, "u", "union of an unknown API")] = bytes(56)


@dataclass(frozen=True, slots=True)
class FileIo(Message):
    """A file request of the target, or the host's reply; the direction tells which."""

    PACKET_TYPE: ClassVar[PacketType] = PacketType.FILE_IO

    api: int
    body: Structure
    data: bytes = b""
    status: int = Status.SUCCESS.value

    def structures(self) -> tuple[Structure, ...]:
        return (FileIoHeader(self.api, self.status), self.body)

    def rest(self) -> bytes:
        return self.data

    @property
    def file_name(self) -> str | None:
        """Name in a create request (UTF-16LE, ends at its NUL); None elsewhere. Untrusted: never a path of the host."""
        if not isinstance(self.body, CreateFileBody) or not self.data:
            return None
        return self.data.decode("utf-16-le", "replace").partition("\0")[0]


FILE_TYPES: dict[int, type[Structure]] = {
    FileIoApi.CreateFile.value: CreateFileBody,
    FileIoApi.ReadFile.value: FileTransferBody,
    FileIoApi.WriteFile.value: FileTransferBody,
    FileIoApi.CloseFile.value: CloseFileBody,
}


def decode_file_io(payload: bytes) -> Message:
    """One payload; `RawMessage` when it is shorter than the fixed part."""
    if len(payload) < FILE_IO_SIZE:
        return RawMessage(PacketType.FILE_IO, payload)
    header = FileIoHeader.decode(payload)
    body = FILE_TYPES.get(header.api, RawFileBody).decode(payload, FileIoHeader.SIZE)
    return FileIo(header.api, body, payload[FILE_IO_SIZE:], header.status)
