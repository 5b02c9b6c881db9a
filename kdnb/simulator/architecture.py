"""What tells the board's two machines apart: names of registers, forms of page tables, places in the address space."""

from __future__ import annotations

from dataclasses import dataclass

from kdnb.errors import UsageError
from kdnb.protocol.constants import MachineType
from kdnb.simulator.memory import LONG_MODE, PROTECTED_MODE, Paging

__all__ = ["AMD64", "ARCHITECTURES", "X86", "Architecture", "architecture_of"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """One machine type. Addresses are those that the loader gives to what it maps, the images apart."""

    name: str
    machine: MachineType
    paging: Paging
    images: str
    """Folder of the guest's images below `guest/images`."""
    general_registers: tuple[str, ...]
    program_counter: str
    stack_pointer: str
    service_registers: tuple[str, ...]
    """Number and four arguments of an `int 2dh`."""
    system_pointer: str
    """Register whose base is the KPCR's address."""
    prcb: int
    """Of KPRCB in KPCR."""
    current_thread: int
    """Of CurrentThread in KPRCB."""
    xmm_registers: int
    loader_block: int
    shared_data: int
    pool: int
    physical_map: int
    stacks: int

    @property
    def pointer_size(self) -> int:
        return self.machine.pointer_size

    def truncate(self, address: int) -> int:
        """An address of the wire as the processor has it."""
        return address & ((1 << (8 * self.pointer_size)) - 1)

    def is_user(self, address: int) -> bool:
        """Whether an address lies in the half that each process has for itself."""
        return not address >> (8 * self.pointer_size - 1)

    def sign_extend(self, address: int) -> int:
        """An address as it goes over the wire: 64 bits, from 32 sign-extended (protocol reference 2.1)."""
        if self.pointer_size == 4 and address & 0x80000000:
            return address | 0xFFFFFFFF00000000
        return address


AMD64 = Architecture(
    name="amd64",
    machine=MachineType.AMD64,
    paging=LONG_MODE,
    images=".",
    general_registers=("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{i}" for i in range(8, 16))),
    program_counter="rip",
    stack_pointer="rsp",
    service_registers=("rax", "rcx", "rdx", "r8", "r9"),
    system_pointer="gs_base",
    prcb=0x180,
    current_thread=8,
    xmm_registers=16,
    loader_block=0xFFFFF80040000000,
    shared_data=0xFFFFF78000000000,
    pool=0xFFFFC98000000000,
    physical_map=0xFFFFA00000000000,
    stacks=0xFFFFFB0600000000,
)

X86 = Architecture(
    name="x86",
    machine=MachineType.I386,
    paging=PROTECTED_MODE,
    images="x86",
    general_registers=("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"),
    program_counter="eip",
    stack_pointer="esp",
    service_registers=("eax", "ecx", "edx", "ebx", "edi"),
    system_pointer="fs_base",
    prcb=0x120,
    current_thread=4,
    xmm_registers=8,
    loader_block=0x80900000,
    shared_data=0xFFDF0000,
    pool=0x82000000,
    physical_map=0x84000000,
    stacks=0xF8B00000,
)

ARCHITECTURES = (AMD64, X86)


def architecture_of(name: str) -> Architecture:
    """By its name; raises `UsageError`."""
    for architecture in ARCHITECTURES:
        if architecture.name == name:
            return architecture
    names = " or ".join(architecture.name for architecture in ARCHITECTURES)
    raise UsageError(f"no simulated machine of type {name!r}", f"choose {names}")
