from __future__ import annotations

import pytest

from kdnb.debugger.disassembly import disassemble
from kdnb.protocol.constants import MachineType
from tests.debugger.flat_memory import FlatMemory

BASE = 0xFFFFF801_0BF91A3D
AMD64, I386 = MachineType.AMD64, MachineType.I386


def lines(code: str, machine: MachineType = AMD64, address: int = BASE) -> list[str]:
    data = bytes.fromhex(code)
    found = disassemble(FlatMemory(address, data + b"\x90" * 64), address, 99, machine, lambda _: None)
    return [f"{i.mnemonic} {i.operands}".strip() for i in found if i.address < address + len(data)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("4883ec28", "sub rsp,28h"),
        ("b80a000000", "mov eax,0Ah"),
        ("b809000000", "mov eax,9"),
        ("b8ffffffff", "mov eax,0FFFFFFFFh"),
        ("4883c8ff", "or rax,0FFFFFFFFFFFFFFFFh"),
        ("83c0ff", "add eax,0FFFFFFFFh"),
        ("6aff", "push 0FFFFFFFFFFFFFFFFh"),
        ("80f9ff", "cmp cl,0FFh"),
        ("48b8f0debc9a78563412", "mov rax,123456789ABCDEF0h"),
        ("65488b042588010000", "mov rax,qword ptr gs:[188h]"),
        ("488b8100feffff", "mov rax,qword ptr [rcx-200h]"),
        ("42ff24c0", "jmp qword ptr [rax+r8*8]"),
        ("f348ab", "rep stos qword ptr [rdi]"),
        ("f3a4", "rep movs byte ptr [rdi],byte ptr [rsi]"),
        ("f2ae", "repne scas byte ptr [rdi]"),
        ("ac", "lods byte ptr [rsi]"),
        ("f20f10442408", "movsd xmm0,qword ptr [rsp+8]"),
        ("f00fc10a", "lock xadd dword ptr [rdx],ecx"),
        ("cd2d", "int 2Dh"),
        ("c20800", "ret 8"),
        ("48cf", "iretq"),
        ("6690", "xchg ax,ax"),
        ("0f1f440000", "nop dword ptr [rax+rax]"),
        ("488d0d00100000", "lea rcx,[fffff801`0bf92a44]"),
        ("e8fb0f0000", "call fffff801`0bf92a3d"),
        ("8ac4", "mov al,ah"),
        ("06", "???"),
    ],
)
def test_masm_spelling(code: str, text: str) -> None:
    assert lines(code) == [text]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("a1441e5080", "mov eax,dword ptr ds:[80501E44h]"),
        ("64a100000000", "mov eax,dword ptr fs:[0]"),
        ("e800000000", "call 80501e45"),
        ("8b4508", "mov eax,dword ptr [ebp+8]"),
        ("c20400", "ret 4"),
        ("6aff", "push 0FFFFFFFFh"),
    ],
)
def test_masm_spelling_of_x86(code: str, text: str) -> None:
    assert lines(code, I386, 0x80501E40) == [text]
