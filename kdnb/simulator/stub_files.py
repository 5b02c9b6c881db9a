"""A driver's file asked for at the debugger's end before it is loaded, as a kernel does (protocol reference 4.2)."""

from __future__ import annotations

from kdnb.protocol.constants import FILE_IO_SIZE, MAX_PAYLOAD, FileIoApi
from kdnb.protocol.messages.file_io import CloseFileBody, CreateFileBody, FileIo, FileTransferBody

__all__ = ["FilePull"]

READ_SIZE = MAX_PAYLOAD - FILE_IO_SIZE
FILE_GENERIC_READ, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, FILE_OPEN = 0x120089, 0x80, 1, 1


class FilePull:
    """One file: `request` is what to send, `take` gives the next one or None at the end."""

    def __init__(self, path: bytes, read_size: int = READ_SIZE) -> None:
        name = (path.decode("latin-1") + "\0").encode("utf-16-le")
        body = CreateFileBody(FILE_GENERIC_READ, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, FILE_OPEN)
        self.request: FileIo | None = FileIo(int(FileIoApi.CreateFile), body, name)
        self.content = b""
        self._read_size = read_size
        self._handle = 0
        self._length = 0

    def take(self, reply: FileIo) -> FileIo | None:
        """The next request after a reply; another API's reply repeats the request."""
        if self.request is None or reply.api != self.request.api:
            return self.request
        self.request = self._next(reply)
        return self.request

    def _next(self, reply: FileIo) -> FileIo | None:
        body = reply.body
        failed = bool(reply.status & 0x80000000)
        if isinstance(body, CloseFileBody) or (isinstance(body, CreateFileBody) and failed):
            return None
        if isinstance(body, CreateFileBody):
            self._handle, self._length = body.handle, body.length
        elif isinstance(body, FileTransferBody):
            self.content += reply.data[: body.length]
        if failed or len(self.content) >= self._length or (isinstance(body, FileTransferBody) and not reply.data):
            return FileIo(int(FileIoApi.CloseFile), CloseFileBody(self._handle))
        return FileIo(int(FileIoApi.ReadFile), FileTransferBody(self._handle, len(self.content), self._read_size))
