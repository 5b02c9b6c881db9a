"""Text of `!analyze` and `!error` (the command reference, 7.9). Sections that can't be known are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.protocol.names import exception_name, status_name
from kdnb.render.lines import lines
from kdnb.render.text_disassembly import instruction_line
from kdnb.results.addresses import format_address
from kdnb.results.analysis import Analysis
from kdnb.results.values import BugCheckHelp, ErrorCode, LastErrors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__: list[str] = []


@lines.register(ErrorCode)
def _error(value: ErrorCode) -> Iterator[str]:
    text = value.text or value.name or "<Unable to get error code text>"
    yield f"Error code: ({value.kind}) {value.value:#x} ({value.value}) - {text}"
    if value.name and value.text:
        yield f"    {value.name}"


@lines.register(LastErrors)
def _last_errors(value: LastErrors) -> Iterator[str]:
    for name, code in (("LastErrorValue", value.error), ("LastStatusValue", value.status)):
        text = code.text or code.name or "<Unable to get error code text>"
        yield f"{name}: ({code.kind}) {code.value:#x} ({code.value}) - {text}"


@lines.register(BugCheckHelp)
def _help(value: BugCheckHelp) -> Iterator[str]:
    yield from _meaning(value.code, value.name, value.explanation)
    yield from _arguments(value.parameters, value.meanings, 8)


def _meaning(code: int, name: str, explanation: str) -> Iterator[str]:
    yield f"{name or 'Unknown bugcheck code'} ({code:x})"
    if explanation:
        yield explanation


def _arguments(parameters: Sequence[int], meanings: Sequence[str], size: int) -> Iterator[str]:
    count = max(len(parameters), len(meanings))
    if count:
        yield "Arguments:"
    for number in range(count):
        value = f"{parameters[number]:0{2 * size}x}" if number < len(parameters) else ""
        meaning = meanings[number] if number < len(meanings) else ""
        yield f"Arg{number + 1}: " + ", ".join(filter(None, (value, meaning)))


@lines.register(Analysis)
def _analysis(value: Analysis) -> Iterator[str]:
    rule = "*" * 79
    yield from (rule, f"*{'':77}*", f"*{'Bugcheck Analysis':^77}*", f"*{'':77}*", rule, "")
    if not value.verbose:
        yield from _short(value)
        return
    if value.code:
        yield from _meaning(value.code, value.name, value.explanation)
        yield from _arguments(value.parameters, value.meanings, value.address_size)
        yield ""
    yield "Debugging Details:"
    yield "------------------"
    yield ""
    if value.code:
        yield f"BUGCHECK_CODE:  {value.code:x}"
        for number, parameter in enumerate(value.parameters, 1):
            yield f"BUGCHECK_P{number}: {parameter:x}"
        yield ""
    yield from _fault(value)
    yield from _stack(value)
    yield from _suspect(value)
    for note in value.unknown:
        yield f"NOTE: {note}"


def _short(value: Analysis) -> Iterator[str]:
    if value.code:
        yield f"BugCheck {value.code:X}, {{{', '.join(f'{parameter:x}' for parameter in value.parameters)}}}"
        yield ""
    if value.code and value.symbol:
        symbol = value.symbol
        yield f"Probably caused by : {value.image or value.module} ( {symbol} )"
        yield ""
    for note in value.unknown:
        yield f"NOTE: {note}"
    yield "Use !analyze -v to get detailed debugging information."


def _fault(value: Analysis) -> Iterator[str]:
    if value.faulting_address is not None:
        word = {"read": "READ_ADDRESS", "write": "WRITE_ADDRESS", "execute": "EXECUTE_ADDRESS"}.get(
            value.access, "ADDRESS"
        )
        yield from (f"{word}:  {value.faulting_address:0{2 * value.address_size}x}", "")
    if value.exception_code:
        name = exception_name(value.exception_code) or status_name(value.exception_code) or ""
        yield from (f"EXCEPTION_CODE: ({value.exception_code:x}) {name}".rstrip(), "")
    if value.faulting_ip is not None:
        yield "FAULTING_IP:"
        yield value.faulting_symbol
        if value.faulting_instruction is not None:
            yield instruction_line(value.faulting_instruction, value.address_size)
        yield ""
    if value.trap_frame is not None:
        yield from (f"TRAP_FRAME:  {value.trap_frame:x} -- (.trap 0x{value.trap_frame:x})", "")
    if value.task is not None:
        yield from (f"TSS:  {value.task:08x} -- (.tss 0x{value.task:x})", "")
    if value.exception_record is not None:
        yield from (f"EXCEPTION_RECORD:  {value.exception_record:x} -- (.exr 0x{value.exception_record:x})", "")
    if value.context_record is not None:
        yield from (f"CONTEXT:  {value.context_record:x} -- (.cxr 0x{value.context_record:x})", "")
    if value.process_name:
        yield from (f"PROCESS_NAME:  {value.process_name}", "")


def _stack(value: Analysis) -> Iterator[str]:
    size = value.address_size
    yield "STACK_TEXT:"
    for frame in value.stack:
        arguments = "".join(f"{format_address(argument, size)} " for argument in frame.arguments)
        place = f"{format_address(frame.child_sp, size)} {format_address(frame.return_address, size)}"
        yield f"{place}     : {arguments}: {frame.symbol}"
    yield ""


def _suspect(value: Analysis) -> Iterator[str]:
    for name, text in (
        ("SYMBOL_NAME", value.symbol),
        ("MODULE_NAME", value.module),
        ("IMAGE_NAME", value.image),
        ("STACK_COMMAND", value.stack_command),
        ("FAILURE_BUCKET_ID", value.bucket),
    ):
        if text:
            yield from (f"{name}:  {text}", "")
