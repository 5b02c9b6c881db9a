"""What a process and a thread know of themselves in user mode, as `!peb` and `!teb` show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LoadedImage", "LoaderLinks", "ProcessEnvironment", "ThreadEnvironment"]


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """One image that the loader of a process lists."""

    base: int
    size: int
    time_stamp: int
    path: str


@dataclass(frozen=True, slots=True)
class LoaderLinks:
    """PEB_LDR_DATA: its address, and the first and last entry of each of its three lists."""

    address: int
    is_initialized: bool
    initialization_order: tuple[int, int]
    load_order: tuple[int, int]
    memory_order: tuple[int, int]


@dataclass(frozen=True, slots=True, repr=False)
class ProcessEnvironment(TableResult):
    """A PEB with what hangs on it; as a table, its images. A part that can't be read is None, or empty."""

    address: int
    inherited_address_space: bool
    read_image_file_options: bool
    being_debugged: bool
    image_base: int
    global_flag: int
    subsystem_data: int
    process_heap: int
    loader: LoaderLinks | None
    images: tuple[LoadedImage, ...]
    parameters: int
    """Address of RTL_USER_PROCESS_PARAMETERS."""
    current_directory: str | None
    window_title: str | None
    image_file: str | None
    command_line: str | None
    dll_path: str | None
    environment: int
    variables: tuple[str, ...]
    """`NAME=value`, in the order of the block."""
    address_size: int
    note: str = ""
    """Why the list of images ends early."""

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[LoadedImage]:
        return iter(self.images)

    def __getitem__(self, index: int) -> LoadedImage:
        return self.images[index]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"base": each.base, "size": each.size, "time_stamp": each.time_stamp, "path": each.path}
            for each in self.images
        ]


@dataclass(frozen=True, slots=True, repr=False)
class ThreadEnvironment(Result):
    """A TEB. What lies in a page of its own and can't be read is None."""

    address: int
    exception_list: int
    stack_base: int
    stack_limit: int
    sub_system_tib: int
    fiber_data: int
    arbitrary_user_pointer: int
    self_pointer: int
    environment_pointer: int
    process_id: int
    thread_id: int
    rpc_handle: int
    tls_storage: int
    peb: int
    last_error: int
    owned_locks: int
    last_status: int | None
    hard_error_mode: int | None
    address_size: int
