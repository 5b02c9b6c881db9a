"""What well-known pool tags stand for, in short; whose they are where that is the kernel or one driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["describe_tag"]

_TAGS: Mapping[str, tuple[str, str]] = {
    "AfdE": ("Socket endpoints", "afd.sys"),
    "Cont": ("Contiguous memory of drivers", "nt!mm"),
    "Devi": ("Device objects", ""),
    "Dire": ("Directory objects", ""),
    "Dnod": ("Device nodes", "nt!pnp"),
    "Driv": ("Driver objects", ""),
    "EtwB": ("Event tracing buffers", "nt!etw"),
    "Even": ("Event objects", ""),
    "FMfn": ("File names of the filter manager", "fltmgr.sys"),
    "File": ("File objects", ""),
    "IoNm": ("Names of I/O objects", "nt!io"),
    "Irp ": ("I/O request packets", "nt!io"),
    "Job ": ("Job objects", ""),
    "Key ": ("Registry key objects", ""),
    "Mdl ": ("Memory descriptor lists", "nt!io"),
    "MmCa": ("Control areas of mapped files", "nt!mm"),
    "MmLd": ("Entries of the loaded module list", "nt!mm"),
    "MmSt": ("Prototype PTEs of mapped files", "nt!mm"),
    "Muta": ("Mutant objects", ""),
    "NDnd": ("Network buffers", "ndis.sys"),
    "NtfF": ("File control blocks", "ntfs.sys"),
    "ObDi": ("Entries of object directories", "nt!ob"),
    "ObHd": ("Object handle count entries", "nt!ob"),
    "ObNm": ("Names of objects", "nt!ob"),
    "ObjT": ("Object type objects", "nt!ob"),
    "Obtb": ("Handle tables", "nt!ob"),
    "Pool": ("Tables of the pool itself", "nt!ex"),
    "Port": ("Port objects", ""),
    "Pp  ": ("Plug and Play", "nt!pnp"),
    "Proc": ("Process objects", "nt!ps"),
    "PsQu": ("Process quota", "nt!ps"),
    "Sect": ("Section objects", ""),
    "SeTd": ("Security token parts", "nt!se"),
    "Sema": ("Semaphore objects", ""),
    "Symb": ("Symbolic link objects", ""),
    "Thre": ("Thread objects", "nt!ps"),
    "Time": ("Timer objects", ""),
    "Toke": ("Token objects", "nt!se"),
    "Vad ": ("Virtual address descriptors", "nt!mm"),
    "VadS": ("Virtual address descriptors, short", "nt!mm"),
    "WmiG": ("WMI", "nt!wmi"),
}


def describe_tag(tag: str) -> str:
    """`Process objects, Binary : nt!ps`; empty for a tag that isn't known here."""
    text, owner = _TAGS.get(tag, ("", ""))
    return f"{text}, Binary : {owner}" if owner else text
