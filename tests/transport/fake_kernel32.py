"""A stand-in for the part of kernel32 that named pipes need: objects in memory with Windows' results and error codes.

It can't show that Windows behaves so; it shows that our calls are in order, with the right arguments.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections import deque

INVALID = ctypes.c_void_p(-1).value
INVALID_HANDLE, ERROR_NOT_FOUND, NO_SYSTEM_RESOURCES = 6, 1168, 1450
NOT_FOUND, BROKEN_PIPE, PIPE_BUSY, NO_DATA, PIPE_CONNECTED, CANCELLED, PENDING = 2, 109, 231, 232, 535, 995, 997


class Event:
    def __init__(self, manual, state):
        self.manual = bool(manual)
        self.state = bool(state)


class End:
    """One end of a pipe."""

    def __init__(self, name=""):
        self.name = name
        self.peer = None
        self.open = True
        self.arrived = deque()
        self.reading = None  # (buffer, size, overlapped)
        self.connecting = None


class FakeKernel32:
    def __init__(self):
        self._changed = threading.Condition(threading.RLock())
        self._numbers = itertools.count(4, 4)
        self._objects = {}
        self._serving = {}
        self._results = {}  # id(overlapped) -> (count, error)
        self._local = threading.local()
        self.stuck = False  # nobody takes what is written
        self.events_left = 1000
        self.on_wait = lambda: 0  # what a wait gives at once, if anything

    def last_error(self):
        return self._local.error

    def _fail(self, error, result=0):
        self._local.error = error
        return result

    def _new(self, thing):
        number = next(self._numbers)
        self._objects[number] = thing
        return number

    @property
    def open_handles(self):
        return len(self._objects)

    # --- events -----------------------------------------------------------------------------------

    def CreateEventW(self, security, manual, state, name):
        with self._changed:
            if not self.events_left:
                return self._fail(NO_SYSTEM_RESOURCES, None)
            self.events_left -= 1
            return self._new(Event(manual, state))

    def SetEvent(self, handle):
        with self._changed:
            self._objects[handle].state = True
            self._changed.notify_all()
            return 1

    def WaitForMultipleObjects(self, count, handles, all_, milliseconds):
        if failure := self.on_wait():
            return self._fail(INVALID_HANDLE, failure)
        events = [self._objects[handles[index]] for index in range(count)]
        with self._changed:
            if not self._changed.wait_for(lambda: any(event.state for event in events), milliseconds / 1000):
                return 0x102
            index = next(index for index, event in enumerate(events) if event.state)
            events[index].state = events[index].manual
            return index

    def CloseHandle(self, handle):
        with self._changed:
            thing = self._objects.pop(handle)
            if isinstance(thing, End):
                assert thing.reading is None, "closed while Windows could still write into the buffer"
                thing.open = False
                if self._serving.get(thing.name) is thing:
                    del self._serving[thing.name]
                if thing.peer is not None:
                    self._serve_read(thing.peer)
            self._changed.notify_all()
            return 1

    # --- pipes ------------------------------------------------------------------------------------

    def CreateNamedPipeW(self, name, access, mode, instances, out, in_, timeout, security):
        with self._changed:
            if name in self._serving:
                return self._fail(PIPE_BUSY, INVALID)
            self._serving[name] = end = End(name)
            return self._new(end)

    def CreateFileW(self, name, access, share, security, disposition, flags, template):
        with self._changed:
            server = self._serving.get(name)
            if server is None:
                return self._fail(NOT_FOUND, INVALID)
            if server.peer is not None:
                return self._fail(PIPE_BUSY, INVALID)
            end = End()
            end.peer, server.peer = server, end
            if server.connecting is not None:
                self._done(server.connecting, 0)
            return self._new(end)

    def WaitNamedPipeW(self, name, milliseconds):
        return 0

    def ConnectNamedPipe(self, handle, overlapped):
        with self._changed:
            end = self._objects[handle]
            if end.peer is not None:
                return self._fail(PIPE_CONNECTED if end.peer.open else NO_DATA)
            end.connecting = self._begin(overlapped)
            return self._fail(PENDING)

    def ReadFile(self, handle, buffer, size, moved, overlapped):
        with self._changed:
            end = self._objects[handle]
            assert end.reading is None, "two reads at once"
            end.reading = (buffer, size, self._begin(overlapped))
            self._serve_read(end)
            return 1 if end.reading is None and self._result(overlapped)[1] == 0 else self._fail(PENDING)

    def WriteFile(self, handle, data, size, moved, overlapped):
        with self._changed:
            peer = self._objects[handle].peer
            if not peer.open:
                return self._fail(NO_DATA)
            if self.stuck:
                self._begin(overlapped)
                return self._fail(PENDING)
            peer.arrived.extend(data[:size])
            self._done(self._begin(overlapped), size)
            self._serve_read(peer)
            return 1

    def GetOverlappedResult(self, handle, overlapped, count, wait):
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._result(overlapped) is not None)
            moved, error = self._result(overlapped)
            count._obj.value = moved
            return self._fail(error) if error else 1

    def end_of_thread(self, transport):
        """What Windows does with the operations of a thread that ends."""
        self.CancelIoEx(transport._handle, ctypes.byref(transport._reading._overlapped))

    def CancelIoEx(self, handle, overlapped):
        with self._changed:
            if self._results.get(id(overlapped._obj)) is not None:
                return self._fail(ERROR_NOT_FOUND)
            end = self._objects[handle]
            if end.reading is not None and end.reading[2] is overlapped._obj:
                end.reading = None
            self._done(overlapped._obj, 0, CANCELLED)
            return 1

    def _begin(self, overlapped):
        operation = overlapped._obj
        assert self._results.get(id(operation), ()) is not None, "an OVERLAPPED that is in use"
        self._results[id(operation)] = None
        self._objects[operation.event].state = False
        return operation

    def _result(self, overlapped):
        return self._results[id(overlapped._obj)]

    def _done(self, operation, moved, error=0):
        self._results[id(operation)] = (moved, error)
        self._objects[operation.event].state = True
        self._changed.notify_all()

    def _serve_read(self, end):
        """Complete a read that waits, if there is something for it."""
        if end.reading is None or not (end.arrived or not end.peer.open):
            return
        buffer, size, operation = end.reading
        end.reading = None
        data = bytes(end.arrived.popleft() for _ in range(min(size, len(end.arrived))))
        ctypes.memmove(buffer, data, len(data))
        self._done(operation, len(data), 0 if data else BROKEN_PIPE)
