"""A live target: what the engine asks for, put into requests of the protocol.

Reads are split to what one packet carries and go on over what the target trims; 32-bit addresses go sign-extended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import Cancelled, LinkError, RequestFailed
from kdnb.protocol.constants import (
    MANIPULATE_SIZE,
    MAX_BREAKPOINTS,
    MAX_PAYLOAD,
    NO_SYMBOL_RANGE,
    Api,
    ContinueStatus,
    MachineType,
)
from kdnb.protocol.messages.breakpoints import (
    BreakpointBody,
    BreakpointEntry,
    BreakpointExBody,
    RestoreBreakpointBody,
)
from kdnb.protocol.messages.execution import Continue2Amd64, Continue2Arm, Continue2Arm64, Continue2X86, EmptyBody
from kdnb.protocol.messages.get_context import ContextBody, ContextExBody
from kdnb.protocol.messages.manipulate import Manipulate, decode_memory_reply, encode_memory_request
from kdnb.protocol.messages.memory import MemoryBody
from kdnb.target.base import Capability
from kdnb.target.conversation import Conversation, failed
from kdnb.target.settings import LiveSettings
from kdnb.target.transfer import TransferSize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdnb.protocol.wire import Structure
    from kdnb.transport.pump import Pump

__all__ = ["LiveSettings", "LiveTarget"]

MAX_TRANSFER = MAX_PAYLOAD - MANIPULATE_SIZE
"""3944 bytes: what one request carries on a serial line (1.1)."""
MAX_NETWORK_TRANSFER = 0x448
"""What KDNET targets trim reads to (1.1): more would not fit one Ethernet frame."""
SAME_READS = 5
"""Verified reads: replies that are compared before memory counts as changing by itself."""
MAX_CONTEXT = 0x1000
CONTEXT_WINDOW = 0x400
"""Bytes of a context in one packet: fits KDNET."""


class LiveTarget(Conversation):
    """Implements `target.base.Target` over a pump. Not thread-safe but for `wake`."""

    capabilities = frozenset(Capability)
    transfer: TransferSize
    """How much one request carries just now."""
    _context_in_windows: bool
    """The target refused GetContext and answered GetContextEx."""

    # --- memory ---------------------------------------------------------------------------------

    def read_virtual(self, address: int, size: int) -> bytes:
        return self._read(_READ_VIRTUAL, self._extend(address), size)

    def write_virtual(self, address: int, data: bytes) -> int:
        return self._write(Api.WriteVirtualMemory, self._extend(address), data)

    def read_physical(self, address: int, size: int) -> bytes:
        return self._read(Api.ReadPhysicalMemory, address, size)

    def write_physical(self, address: int, data: bytes) -> int:
        return self._write(Api.WritePhysicalMemory, address, data)

    def _begin_anew(self, pump: Pump) -> None:
        super()._begin_anew(pump)
        self.transfer = TransferSize(MAX_NETWORK_TRANSFER if pump.is_network else MAX_TRANSFER)
        self._context_in_windows = False

    @property
    def request_size(self) -> int:
        return self.transfer.size

    def _read(self, api: Api, address: int, size: int) -> bytes:
        """Loops over what the target trims; ends at a hole."""
        parts: list[bytes] = []
        trimmed_to = 0
        transfer = self.transfer
        read = self._read_equal if self._settings.verify else self._read_once
        while size > 0:
            data, count, whole = read(api, address & _MASK, min(size, transfer.size))
            parts.append(data)
            got = len(data)
            if trimmed_to and got:
                transfer.trimmed(trimmed_to)  # it went on behind: no hole, the target's limit
            if not whole or not got:
                break
            trimmed_to = got if got < count else 0
            address += got
            size -= got
            if size and self.cancelled():  # a slow line takes six seconds for what the cache asks for at once
                raise Cancelled("the command was stopped")
        return b"".join(parts)

    def _read_equal(self, api: Api, address: int, count: int) -> tuple[bytes, int, bool]:
        """Like `_read_once`, with `verify`: until two replies in a row are equal."""
        found = self._read_once(api, address, count)
        for _ in range(SAME_READS):
            before, found = found, self._read_once(api, address, found[1])
            if before == found:
                return found
        raise LinkError(
            f"memory at {address:#x} reads differently each time", "it changes by itself, or the line is too bad"
        )

    def _read_once(self, api: Api, address: int, count: int) -> tuple[bytes, int, bool]:
        """One request's worth: the bytes, how many were asked for, and whether the target calls it a success."""
        for attempt in range(self._settings.attempts):
            troubles = self._pump.troubles
            request = encode_memory_request(api, address, count, self._processor, self._level)
            reply = self._ask(request, lambda payload: decode_memory_reply(payload, api, address), again=attempt > 0)
            if reply is not None:
                self.transfer.went(count, well=self._pump.troubles == troubles)
                return reply.data[: min(reply.actual, count)], count, not failed(reply.status)
            count = self.transfer.failed(count)  # on a line that damages every large reply a small one comes through
        raise self._no_reply(api)

    def _write(self, api: Api, address: int, data: bytes) -> int:
        written = 0
        while written < len(data):
            piece = data[written : written + self.transfer.size]
            troubles = self._pump.troubles
            reply = self._exchange(api, MemoryBody((address + written) & _MASK, len(piece)), piece)
            assert isinstance(reply.body, MemoryBody)
            self.transfer.went(len(piece), well=self._pump.troubles == troubles)
            done = min(reply.body.actual, len(piece))
            written += done
            if failed(reply.status) or done == 0:
                break
        return written

    def _extend(self, address: int) -> int:
        """32-bit addresses go sign-extended over the wire (2.1)."""
        if address & 0x80000000 and self.machine == MachineType.I386:
            return address | 0xFFFFFFFF_00000000
        return address

    # --- processors -----------------------------------------------------------------------------

    def get_context(self, processor: int) -> bytes:
        """By GetContext, which every target has; in windows by GetContextEx where that alone is answered (3.4)."""
        if not self._context_in_windows:
            try:
                return self.request(Api.GetContext, ContextBody(), processor=processor).data[:MAX_CONTEXT]
            except RequestFailed:
                data = self._context_windows(processor)
                if not data:
                    raise
                self._context_in_windows = True
                return data
        return self._context_windows(processor)

    def _context_windows(self, processor: int) -> bytes:
        """The context piece by piece; empty where the target refuses."""
        data = b""
        size = MAX_CONTEXT
        while len(data) < size:
            body = ContextExBody(len(data), min(CONTEXT_WINDOW, size - len(data)))
            reply = self._exchange(Api.GetContextEx, body, processor=processor)
            if failed(reply.status) or not isinstance(reply.body, ContextExBody) or not reply.body.bytes_copied:
                break
            size = min(reply.body.byte_count or size, MAX_CONTEXT)  # the reply tells how much there is
            data += reply.data[: reply.body.bytes_copied]
        return data

    def set_context(self, processor: int, data: bytes) -> None:
        at = 0x30 if self.machine == MachineType.AMD64 else 0
        flags = int.from_bytes(data[at : at + 4], "little")
        if not self._context_in_windows:
            try:
                self.request(Api.SetContext, ContextBody(flags), data, processor)
            except RequestFailed as refused:
                try:
                    self._set_context_windows(processor, data)
                except RequestFailed:
                    raise refused from None
            return
        self._set_context_windows(processor, data)

    def _set_context_windows(self, processor: int, data: bytes) -> None:
        for offset in range(0, len(data), CONTEXT_WINDOW):
            piece = data[offset : offset + CONTEXT_WINDOW]
            self.request(Api.SetContextEx, ContextExBody(offset, len(piece), len(data)), piece, processor)

    def read_control_space(self, processor: int, address: int, size: int) -> bytes:
        reply = self.request(Api.ReadControlSpace, MemoryBody(address, size), processor=processor)
        assert isinstance(reply.body, MemoryBody)
        return reply.data[: min(reply.body.actual, size)]

    def write_control_space(self, processor: int, address: int, data: bytes) -> None:
        self.request(Api.WriteControlSpace, MemoryBody(address, len(data)), data, processor)

    # --- breakpoints ----------------------------------------------------------------------------

    def write_breakpoint(self, address: int) -> int:
        """The handle of the breakpoint that the target has inserted."""
        reply = self.request(Api.WriteBreakPoint, BreakpointBody(self._extend(address)))
        assert isinstance(reply.body, BreakpointBody)
        return reply.body.handle

    def write_breakpoints(self, addresses: Sequence[int]) -> list[int]:
        """Handles of several breakpoints by one request (WriteBreakPointEx); 0 for one that was refused.

        A re-implemented target is known to run on with an error after it: only for who asks for it.
        """
        entries = [BreakpointEntry(self._extend(address)) for address in addresses[:MAX_BREAKPOINTS]]
        body = BreakpointExBody(len(entries), int(ContinueStatus.DBG_CONTINUE))
        reply = self.request(Api.WriteBreakPointEx, body, b"".join(entry.encode() for entry in entries))
        handles = [entry.handle for entry in reply.entries]
        return (handles + [0] * len(entries))[: len(entries)]

    def restore_breakpoint(self, handle: int) -> bool:
        """Take a breakpoint out. False where the handle is free: the target removes those that it reports itself."""
        return not failed(self._exchange(Api.RestoreBreakPoint, RestoreBreakpointBody(handle)).status)

    # --- running --------------------------------------------------------------------------------

    def resume(self, processor: int, status: int, trace: bool, dr7: int) -> None:
        body = self._continue_body(status, int(trace), dr7)
        self._send_and_forget(Manipulate(int(Api.Continue2), body, b"", processor, self._level, status))

    def switch_processor(self, processor: int) -> None:
        self._send_and_forget(Manipulate(int(Api.SwitchProcessor), EmptyBody(), b"", processor, self._level))

    def send_away(self, api: int, processor: int) -> None:
        self._send_and_forget(Manipulate(int(api), EmptyBody(), b"", processor, self._level))

    def tell(self, api: int, body: Structure, processor: int) -> None:
        held = self._stop_key
        self._send_and_forget(Manipulate(int(api), body, b"", processor, self._level))
        self._stop_key = held  # the stop lasts

    def _continue_body(self, status: int, trace: int, dr7: int) -> Structure:
        match self.machine:
            case MachineType.I386:
                return Continue2X86(status, trace, dr7 & 0xFFFFFFFF, NO_SYMBOL_RANGE)
            case MachineType.ARM64:
                return Continue2Arm64(status, trace, trace, NO_SYMBOL_RANGE)
            case MachineType.ARM | MachineType.ARMNT:
                return Continue2Arm(status, trace, NO_SYMBOL_RANGE)
            case _:
                return Continue2Amd64(status, trace, dr7, NO_SYMBOL_RANGE)


_MASK = (1 << 64) - 1
_READ_VIRTUAL = Api.ReadVirtualMemory
