"""What lies behind the processor: interrupt vectors, control blocks, PCI devices."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kdnb.results.base import Result, TableResult

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ControlBlock",
    "CpuInfo",
    "CpuInfos",
    "InterruptTable",
    "InterruptVector",
    "PciDevice",
    "PciDevices",
    "PciNode",
    "PciTree",
    "ProcessorBlock",
]


@dataclass(frozen=True, slots=True, repr=False)
class InterruptVector(Result):
    """One gate of the interrupt descriptor table."""

    vector: int
    handler: int
    symbol: str
    selector: int
    stack_index: int = 0
    """Entry of the interrupt stack table; 0 where the stack isn't switched."""


@dataclass(frozen=True, slots=True, repr=False)
class InterruptTable(TableResult):
    """The vectors of `!idt`."""

    address: int
    vectors: tuple[InterruptVector, ...]
    address_size: int

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[InterruptVector]:
        return iter(self.vectors)

    def __getitem__(self, vector: int) -> InterruptVector:
        return next(one for one in self.vectors if one.vector == vector)

    def rows(self) -> list[dict[str, Any]]:
        return [one.to_dict() for one in self.vectors]


@dataclass(frozen=True, slots=True, repr=False)
class ProcessorBlock(Result):
    """A processor's KPCR (`!pcr`). Addresses that the target doesn't tell are 0."""

    number: int
    pcr: int
    prcb: int
    current_thread: int
    idle_thread: int
    gdt: int
    idt: int
    task: int
    address_size: int


@dataclass(frozen=True, slots=True, repr=False)
class ControlBlock(Result):
    """A processor's KPRCB (`!prcb`). What isn't known of this build is None, and named in `missing`."""

    number: int
    address: int
    level: int | None
    """IRQL at which the processor was stopped."""
    current_thread: int | None
    next_thread: int | None
    idle_thread: int | None
    group: int | None
    group_index: int | None
    group_set_member: int | None
    interrupt_count: int | None
    dpc_time: int | None
    """Times are in clock ticks."""
    interrupt_time: int | None
    kernel_time: int | None
    user_time: int | None
    missing: tuple[str, ...]
    address_size: int


@dataclass(frozen=True, slots=True)
class CpuInfo:
    """What the kernel noted of one processor when it started; None where the build doesn't tell."""

    number: int
    family: int
    model: int
    stepping: int
    manufacturer: str
    mhz: int
    update_signature: int | None
    """Of the microcode: the upper half is its revision."""
    features: int | None


@dataclass(frozen=True, slots=True, repr=False)
class CpuInfos(TableResult):
    """The processors (`!cpuinfo`)."""

    processors: tuple[CpuInfo, ...]
    is_short: bool = False
    """Without what only Windows' own records tell (`!cpuid`)."""

    def __len__(self) -> int:
        return len(self.processors)

    def __iter__(self) -> Iterator[CpuInfo]:
        return iter(self.processors)

    def __getitem__(self, index: int) -> CpuInfo:
        return self.processors[index]

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self.processors]


@dataclass(frozen=True, slots=True, repr=False)
class PciDevice(Result):
    """One function of a PCI device."""

    bus: int
    device: int
    function: int
    vendor_id: int
    device_id: int
    class_code: int
    """Class, subclass and programming interface: 0x060000."""
    revision: int = 0
    header_type: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class PciDevices(TableResult):
    """The devices of a bus (`!pci`)."""

    devices: tuple[PciDevice, ...]

    def __len__(self) -> int:
        return len(self.devices)

    def __iter__(self) -> Iterator[PciDevice]:
        return iter(self.devices)

    def __getitem__(self, index: int) -> PciDevice:
        return self.devices[index]

    def rows(self) -> list[dict[str, Any]]:
        return [one.to_dict() for one in self.devices]


@dataclass(frozen=True, slots=True)
class PciNode:
    """A device of `!pcitree`."""

    device: PciDevice
    depth: int
    """Bridges above it."""
    secondary_bus: int | None = None
    """The bus behind it, where it is a bridge."""


@dataclass(frozen=True, slots=True, repr=False)
class PciTree(TableResult):
    """All devices, depth first."""

    nodes: tuple[PciNode, ...]

    def __len__(self) -> int:
        return len(self.nodes)

    def rows(self) -> list[dict[str, Any]]:
        return [
            node.device.to_dict() | {"depth": node.depth, "secondary_bus": node.secondary_bus} for node in self.nodes
        ]
