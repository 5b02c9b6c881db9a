"""`.fnent`: the unwind data of the function around an address, with its handler's tables in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.errors import SymbolFileError, UsageError
from kdnb.protocol.constants import MachineType
from kdnb.results.addresses import format_address
from kdnb.results.unwind import ExceptionHandler, FunctionEntry, HandlerLine, UnwindCodeLine, UnwindRecord
from kdnb.symbols.exception_data import (
    FILTER_EXECUTES,
    CxxFunction,
    ScopeEntry,
    read_cxx_function,
    read_cxx_function4,
    read_scope_table,
)
from kdnb.symbols.handlers import HandlerData, handler_routine
from kdnb.symbols.names import printable_name, type_name
from kdnb.symbols.unwind_info import UnwindOp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.symbols.pe import PeImage
    from kdnb.symbols.unwind_arm64 import Arm64Code
    from kdnb.symbols.unwind_info import RuntimeFunction, UnwindCode, UnwindInfo

__all__ = ["function_entry"]

_MAX_CHAIN = 32
_CATCH_WORDS = ((1, "const"), (2, "volatile"), (8, "reference"))
_CATCH_ALL = 0x40


def function_entry(session: Session, address: int) -> FunctionEntry:
    """The entry of the function around `address`. Raises `UsageError` where there is none."""
    module = session.modules.find(address)
    image = module.image if module is not None else None
    missing = UsageError(
        f"No function entry for {format_address(address, session.pointer_size)}",
        "leaf functions have none; on x86 the PDB has them",
    )
    if module is None or image is None:
        raise missing
    reader = _Reader(session, module, image)
    readers = {MachineType.ARM64: reader.arm64, MachineType.I386: reader.x86}
    entry = readers.get(session.machine, reader.x64)(address)
    if entry is None:
        raise missing
    return entry


class _Reader:
    def __init__(self, session: Session, module: Module, image: PeImage) -> None:
        self._session, self._module, self._image = session, module, image

    def x64(self, address: int) -> FunctionEntry | None:
        table = self._image.function_table
        found = table.lookup(address - self._module.base)
        if found is None:
            return None
        function = table.resolve(found)
        return self._entry(address, function.begin, function.end, function.unwind, tuple(self._records(function)))

    def x86(self, address: int) -> FunctionEntry | None:
        table = self._module.frame_table
        record = table.lookup(address - self._module.base) if table is not None else None
        if record is None:
            return None
        details = [
            f"Params:    {record.parameter_size:x}",
            f"Locals:    {record.local_size:x}",
            f"Registers: {record.saved_size:x}",
            *([f"Program:   {record.program}"] if record.program else []),
        ]
        return self._entry(address, record.begin, record.end, 0, (), tuple(details))

    def arm64(self, address: int) -> FunctionEntry | None:
        function = self._image.arm64_functions.lookup(address - self._module.base)
        if function is None:
            return None
        packed = function.unwind & 3
        details = [
            f"{'Packed unwind data' if packed else 'Unwind info'} {function.unwind:x}, length {function.length:x}"
        ]
        details += [f"  {index:02x}: {arm64_words(code)}" for index, code in enumerate(function.codes)]
        for epilog in function.epilogs:
            details.append(f"  epilog at +{epilog.start:x}, {epilog.size:x} bytes")
        handler = None
        if function.handler is not None:
            handler = self._handler(function.handler, function.handler_data, function.begin, function.begin)
        return self._entry(address, function.begin, function.end, function.unwind, (), tuple(details), handler)

    def _entry(
        self,
        address: int,
        begin: int,
        end: int,
        unwind: int,
        records: tuple[UnwindRecord, ...],
        details: tuple[str, ...] = (),
        handler: ExceptionHandler | None = None,
    ) -> FunctionEntry:
        symbols, base = self._module.symbols, self._module.base
        following = symbols.next_symbol(address - base)
        return FunctionEntry(
            address=base + begin,
            symbol=self._name(begin),
            next_address=base + following.rva if following is not None else None,
            next_symbol=self._name(following.rva) if following is not None else "",
            begin=begin,
            end=end,
            unwind=unwind,
            module_base=base,
            address_size=self._session.pointer_size,
            records=records,
            details=details,
            handler=handler,
        )

    def _records(self, function: RuntimeFunction) -> Iterator[UnwindRecord]:
        asked = function.begin
        for _ in range(_MAX_CHAIN):
            info = self._image.unwind_info(function.unwind)
            data = function.unwind + info.size
            slots = sum(code.slots for code in info.codes)
            yield UnwindRecord(
                address=self._module.base + function.unwind,
                size=info.HEADER_SIZE + 2 * slots,
                version=info.version,
                flags=int(info.flags),
                prolog_size=info.prolog_size,
                code_slots=slots,
                frame_register=info.frame_register,
                frame_offset=info.frame_offset,
                codes=tuple(_code_lines(info)),
                handler=self._handler(info.handler, data, function.begin, asked) if info.handler else None,
            )
            if info.chained is None:
                return
            function = self._image.function_table.resolve(info.chained)

    def _handler(self, handler: int, data: int, begin: int, part: int) -> ExceptionHandler:
        """The handler at an RVA, with its data, for the part of the function at `begin` that begins at `part`."""
        base, symbols = self._module.base, self._module.symbols
        known = handler_routine(self._image, handler, lambda rva: (one.name for one in symbols.at(rva)))
        lines: tuple[HandlerLine, ...] = ()
        problem = ""
        if known is not None:
            try:
                lines = tuple(self._table(known[1], data, begin, part))
            except SymbolFileError as error:
                problem = error.message
        routine = known[0] if known is not None else ""
        return ExceptionHandler(base + handler, self._name(handler), base + data, lines, routine, problem)

    def _table(self, form: HandlerData, data: int, begin: int, part: int) -> Iterator[HandlerLine]:
        read = self._image.read
        if form is HandlerData.SCOPE_TABLE:
            for entry in read_scope_table(read, data):
                yield HandlerLine("scope", self._scope_words(entry))
            return
        function = int.from_bytes(read(data, 4), "little")
        if form is HandlerData.CXX3:
            yield from self._cxx_lines(read_cxx_function(read, function))
        else:
            yield from self._cxx_lines(read_cxx_function4(read, function, begin, part))

    def _scope_words(self, entry: ScopeEntry) -> str:
        place = f"{self._name(entry.begin)} to {self._name(entry.end)}"
        if entry.is_finally:
            return f"{place}: __finally {self._name(entry.handler)}"
        executes = entry.handler == FILTER_EXECUTES
        chosen = "EXCEPTION_EXECUTE_HANDLER" if executes else self._name(entry.handler)
        return f"{place}: __except({chosen}) at {self._name(entry.target)}"

    def _cxx_lines(self, function: CxxFunction) -> Iterator[HandlerLine]:
        for state, step in enumerate(function.unwind_map):
            action = self._name(step.action) if step.action else "nothing"
            yield HandlerLine("unwind", f"state {state} -> {step.to_state}: {action}")
        for block in function.try_map:
            yield HandlerLine("try", f"states {block.low} to {block.high}, catches to {block.catch_high}")
            for handler in block.handlers:
                words = [word for bit, word in _CATCH_WORDS if handler.flags & bit]
                of = self._caught(handler.type_descriptor) if handler.type_descriptor else "..."
                then = "".join(f", goes on at {self._name(at)}" for at in handler.continuations)
                yield HandlerLine("catch", f"catch({' '.join([*words, of])}) at {self._name(handler.code)}{then}")
        if function.is_catch and function.frame is not None:
            yield HandlerLine("frame", f"catch block, its function's frame is kept at +{function.frame:x}")
        for begin, _ in function.segments:
            yield HandlerLine("part", f"from {self._name(begin)}")
        for place in function.ip_map:
            yield HandlerLine("ip", f"from {self._name(place.ip)}: state {place.state}")

    def _caught(self, descriptor: int) -> str:
        """The type that a type descriptor names: behind two pointers."""
        decorated = self._image.string_at(descriptor + 2 * self._session.pointer_size)
        return printable_name(type_name(decorated)) if decorated.startswith(".") else self._name(descriptor)

    def _name(self, rva: int) -> str:
        return self._session.symbols.format(self._module.base + rva)


def _code_lines(info: UnwindInfo) -> Iterator[UnwindCodeLine]:
    slot = 0
    for code in info.codes:
        yield UnwindCodeLine(slot, code.prolog_offset, code.op, code.info, _code_words(code, info))
        slot += code.slots


def _code_words(code: UnwindCode, info: UnwindInfo) -> str:
    """The form of WinDbg: `UWOP_SAVE_NONVOL FrameOffset: 40 reg: rbx.`"""
    name = f"UWOP_{code.name}"
    match code.op:
        case UnwindOp.PUSH_NONVOL:
            return f"{name} reg: {code.register}."
        case UnwindOp.ALLOC_LARGE:
            return f"{name} FrameOffset: {code.operand:x}."
        case UnwindOp.ALLOC_SMALL:
            return f"{name}."
        case UnwindOp.SET_FPREG:
            return f"{name} reg: {info.frame_register} offset: {info.frame_offset:x}."
        case UnwindOp.PUSH_MACHFRAME:
            return f"{name}{' with error code' if code.info else ''}."
        case _ if code.register:
            return f"{name} FrameOffset: {code.operand:x} reg: {code.register}."
    return f"{name}."


def arm64_words(code: Arm64Code) -> str:
    """One ARM64 code: `save x19 x20 [sp+10] sp+=20`."""
    words = [code.op.name.lower(), *code.registers]
    if code.registers:
        words.append(f"[sp+{code.offset:x}]")
    if code.amount:
        words.append(f"sp+={code.amount:x}" if code.registers else f"{code.amount:x}")
    return " ".join(words)
