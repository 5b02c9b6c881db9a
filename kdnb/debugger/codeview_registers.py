"""Register numbers of CodeView records as names. Data, from the public cvconst.h."""

from __future__ import annotations

from kdnb.protocol.constants import MachineType

__all__ = ["VFRAME_NAME", "frame_register", "register_name"]

VFRAME_NAME = "vframe"
"""What x86 frames without EBP count from; the stack walk knows its value."""

_X86 = dict(
    enumerate(
        "al cl dl bl ah ch dh bh ax cx dx bx sp bp si di eax ecx edx ebx esp ebp esi edi es cs ss ds fs gs".split(), 1
    )
)
_VFRAME = 30006
"""No register of the machine: where the return address lies, in frames without EBP."""
_AMD64_WHOLE = "rax rbx rcx rdx rsi rdi rbp rsp".split()
_AMD64 = (
    {n: name for n, name in _X86.items() if n <= 24}
    | dict(enumerate("sil dil bpl spl".split(), 324))
    | dict(enumerate(_AMD64_WHOLE, 328))
    | {336 + n: f"r{8 + n}" for n in range(8)}
    | {344 + 8 * group + n: f"r{8 + n}{suffix}" for group, suffix in enumerate("bwd") for n in range(8)}
    | {154 + n: f"xmm{n}" for n in range(8)}
    | {252 + n: f"xmm{8 + n}" for n in range(8)}
    # The low half, and the low float of a register: all that a double or a float takes.
    | {194 + n: f"xmm{n}" for n in range(8)}
    | {292 + n: f"xmm{8 + n}" for n in range(8)}
    | {162 + 4 * n: f"xmm{n}" for n in range(8)}
    | {260 + 4 * n: f"xmm{8 + n}" for n in range(8)}
)
_ARM64 = {50 + n: f"x{n}" for n in range(29)} | {10 + n: f"x{n}" for n in range(29)} | {79: "fp", 80: "lr", 81: "sp"}
_NAMES = {MachineType.I386: _X86 | {_VFRAME: VFRAME_NAME}, MachineType.AMD64: _AMD64, MachineType.ARM64: _ARM64}

_FRAME = {
    MachineType.AMD64: (0, 335, 334, 341),
    MachineType.I386: (0, _VFRAME, 22, 20),
    MachineType.ARM64: (0, 81, 79, 69),
}
"""What the two bits of S_FRAMEPROC mean: none, stack pointer (x86: the return address's place), frame pointer, base of
an aligned frame."""


def register_name(machine: MachineType, number: int) -> str | None:
    return _NAMES.get(machine, {}).get(number)


def frame_register(machine: MachineType, bits: int) -> int:
    """CodeView's number of the register that frame-relative variables are counted from."""
    return _FRAME.get(machine, (0, 0, 0, 0))[bits & 3]
