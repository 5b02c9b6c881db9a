"""Text of `!peb` and `!teb` (the command reference, 7.10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kdnb.render.lines import lines
from kdnb.results.user_blocks import ProcessEnvironment, ThreadEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@lines.register(ProcessEnvironment)
def _peb(value: ProcessEnvironment) -> Iterator[str]:
    digits = 2 * value.address_size
    yield f"PEB at {value.address:0{digits}x}"
    yield f"    InheritedAddressSpace:    {_yes(value.inherited_address_space)}"
    yield f"    ReadImageFileExecOptions: {_yes(value.read_image_file_options)}"
    yield f"    BeingDebugged:            {_yes(value.being_debugged)}"
    yield f"    ImageBaseAddress:         {value.image_base:0{digits}x}"
    yield f"    NtGlobalFlag:             {value.global_flag:x}"
    if value.loader is not None:
        loader = value.loader
        yield f"    Ldr                       {loader.address:0{digits}x}"
        yield f"    Ldr.Initialized:          {_yes(loader.is_initialized)}"
        for name, (first, last) in (
            ("InInitializationOrder", loader.initialization_order),
            ("InLoadOrder", loader.load_order),
            ("InMemoryOrder", loader.memory_order),
        ):
            label = f"Ldr.{name}ModuleList:"
            yield f"    {label:<36} {first:0{digits}x} . {last:0{digits}x}"
        yield f"    {'Base':>{digits}} TimeStamp                     Module"
        for image in value:
            when = datetime.fromtimestamp(image.time_stamp, UTC).ctime()
            yield f"    {image.base:>{digits}x} {image.time_stamp:08x} {when:<20} {image.path}"
    if value.note:
        yield f"    WARNING: {value.note}"
    yield f"    SubSystemData:     {value.subsystem_data:0{digits}x}"
    yield f"    ProcessHeap:       {value.process_heap:0{digits}x}"
    yield f"    ProcessParameters: {value.parameters:0{digits}x}"
    for name, text in (
        ("CurrentDirectory", value.current_directory),
        ("WindowTitle", value.window_title),
        ("ImageFile", value.image_file),
        ("CommandLine", value.command_line),
        ("DllPath", value.dll_path),
    ):
        yield f"    {name + ': ':<13} '{'< Name not readable >' if text is None else text}'"
    yield f"    Environment:  {value.environment:0{digits}x}"
    yield from (f"        {variable}" for variable in value.variables)


def _yes(value: bool) -> str:
    return "Yes" if value else "No"


@lines.register(ThreadEnvironment)
def _teb(value: ThreadEnvironment) -> Iterator[str]:
    digits = 2 * value.address_size
    yield f"TEB at {value.address:0{digits}x}"
    for name, pointer in (
        ("ExceptionList", value.exception_list),
        ("StackBase", value.stack_base),
        ("StackLimit", value.stack_limit),
        ("SubSystemTib", value.sub_system_tib),
        ("FiberData", value.fiber_data),
        ("ArbitraryUserPointer", value.arbitrary_user_pointer),
        ("Self", value.self_pointer),
        ("EnvironmentPointer", value.environment_pointer),
    ):
        yield f"    {name + ':':<21} {pointer:0{digits}x}"
    yield f"    {'ClientId:':<21} {value.process_id:0{digits}x} . {value.thread_id:0{digits}x}"
    for name, pointer in (
        ("RpcHandle", value.rpc_handle),
        ("Tls Storage", value.tls_storage),
        ("PEB Address", value.peb),
    ):
        yield f"    {name + ':':<21} {pointer:0{digits}x}"
    for name, number in (
        ("LastErrorValue", value.last_error),
        ("LastStatusValue", value.last_status),
        ("Count Owned Locks", value.owned_locks),
        ("HardErrorMode", value.hard_error_mode),
    ):
        yield f"    {name + ':':<21} {'?' if number is None else f'{number:x}'}"
