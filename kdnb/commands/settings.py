"""Settings of the debugger: `.kframes .lines .asm .effmach .symopt`, and those that have nothing to do here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, UnsupportedError
from kdnb.protocol.constants import MachineType
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

MOST_FRAMES = 0xFFFF
_MACHINES = {
    MachineType.AMD64: ("amd64", "x64 (AMD64)"),
    MachineType.I386: ("x86", "x86 compatible (x86)"),
    MachineType.ARM64: ("arm64", "ARM 64-bit (AArch64) (arm64)"),
}
_SYMBOL_OPTIONS = {
    0x1: "SYMOPT_CASE_INSENSITIVE",
    0x2: "SYMOPT_UNDNAME",
    0x4: "SYMOPT_DEFERRED_LOADS",
    0x10: "SYMOPT_LOAD_LINES",
    0x100: "SYMOPT_NO_UNQUALIFIED_LOADS",
    0x200: "SYMOPT_FAIL_CRITICAL_ERRORS",
    0x400: "SYMOPT_EXACT_SYMBOLS",
    0x10000: "SYMOPT_AUTO_PUBLICS",
    0x80000: "SYMOPT_NO_PROMPTS",
    0x80000000: "SYMOPT_DEBUG",
}
LINES, NOISY = 0x10, 0x80000000


@command(
    ".kframes",
    summary="Show or set how many frames k shows without a count.",
    syntax=".kframes [Count]",
    examples=(".kframes", ".kframes 100"),
    tier="C",
    needs_stop=False,
)
def default_frames(session: Session, arguments: Arguments) -> Result:
    """The count in force, in hex."""
    if not arguments.at_end:
        count = arguments.expression()
        arguments.finish()
        if not 0 < count <= MOST_FRAMES:
            raise ExpressionError(f"Range error in '.kframes {arguments.text[:60]}'", "1 to ffff")
        session.options["kframes"] = count
    return Text(f"Default stack trace depth is 0n{session.options.get('kframes', 0x100)} frames")


@command(
    ".lines",
    summary="Show or hide source lines in stacks.",
    syntax=".lines [-d|-e|-t]",
    details="-d hides them, -e shows them, -t or nothing changes over. kL hides them once.",
    examples=(".lines -d", ".lines -e"),
    tier="C",
    needs_stop=False,
)
def source_lines(session: Session, arguments: Arguments) -> Result:
    """What is in force."""
    option = arguments.match(r"-([det])$")
    arguments.finish()
    shown = not session.options.get("hide_lines")
    now = {"d": False, "e": True}.get(option[1] if option is not None else "t", not shown)
    session.options["hide_lines"] = not now
    return Text(f"Line number information will {'' if now else 'not '}be loaded")


@command(
    ".asm",
    ".asm-",
    summary="Show or set how u, ub and uf look.",
    syntax=".asm\n.asm[-] no_code_bytes",
    details="no_code_bytes leaves the bytes of instructions out; .asm- no_code_bytes shows them again.",
    examples=(".asm", ".asm no_code_bytes", ".asm- no_code_bytes"),
    tier="C",
    needs_stop=False,
)
def assembly_options(session: Session, arguments: Arguments) -> Result:
    """The options in force."""
    for option in arguments.all().split():
        if option == "ignore_output_width":
            continue  # lines are never cut
        if option != "no_code_bytes":
            raise UnsupportedError(f"{option[:60]} is not an option here", ".asm no_code_bytes")
        session.options["no_code_bytes"] = arguments.name == ".asm"
    chosen = "no_code_bytes" if session.options.get("no_code_bytes") else "<none>"
    return Text(f"Assembly options: {chosen}")


@command(
    ".effmach",
    summary="Show the machine type whose registers, code and stacks are shown.",
    syntax=".effmach [.|#|amd64|x86|arm64]",
    details="It is the target's own; 32-bit processes of a 64-bit target can't be chosen.",
    examples=(".effmach", ".effmach ."),
    tier="B",
    needs_stop=False,
)
def effective_machine(session: Session, arguments: Arguments) -> Result:
    """The target's machine."""
    wanted = arguments.all().lower()
    name, words = _MACHINES.get(session.machine, (session.machine.name.lower(), session.machine.name))
    if wanted not in ("", ".", "#", name):
        raise UnsupportedError(f"{wanted[:20]} code of a target of {words} can't be chosen", f"it is {name}")
    return Text(f"Effective machine: {words}")


@command(
    ".symopt",
    ".symopt+",
    ".symopt-",
    summary="Show the options of symbol handling.",
    syntax=".symopt\n.symopt+ Flags\n.symopt- Flags",
    details="10 (source lines in stacks) and 80000000 (!sym noisy) can be changed; the others say how kdnb works.",
    examples=(".symopt", ".symopt+ 80000000", ".symopt- 80000000"),
    tier="C",
    needs_stop=False,
)
def symbol_options(session: Session, arguments: Arguments) -> Result:
    """The flags and their names."""
    sign = arguments.name[-1]
    if sign in "+-":
        flags = arguments.expression() & 0xFFFF_FFFF
        arguments.finish()
        if flags & ~(LINES | NOISY):
            raise UnsupportedError(f"{flags & ~(LINES | NOISY):x} can't be changed", ".symopt+ 10, .symopt+ 80000000")
        if flags & LINES:
            session.options["hide_lines"] = sign == "-"
        if flags & NOISY:
            session.options["sym_noisy"] = sign == "+"
    value = sum(_SYMBOL_OPTIONS) & ~(LINES | NOISY)
    value |= LINES if not session.options.get("hide_lines") else 0
    value |= NOISY if session.options.get("sym_noisy") else 0
    rows = [f"  0x{bit:08x} - {name}" for bit, name in _SYMBOL_OPTIONS.items() if value & bit]
    return Text("\n".join([f"Symbol options are 0x{value:x}:", *rows]))


_WITHOUT_EFFECT = {
    ".cls": "Nothing to clear: each cell has its own output.",
    ".prefer_dml": "DML isn't used: results are tables and text, with links in the widgets.",
    ".prompt_allow": "After a step the symbol and the instruction are shown; r shows the registers.",
    ".srcpath": "Source files aren't opened; stacks and ln name file and line.",
    ".lsrcpath": "Source files aren't opened; stacks and ln name file and line.",
    ".srcnoisy": "Source files aren't opened; stacks and ln name file and line.",
    "lsp": "Source files aren't opened; stacks and ln name file and line.",
    ".outmask": "All output is shown; each result is a value.",
    ".enable_unicode": "Text is Unicode throughout.",
    ".enable_long_status": "Numbers are 64 bits wide throughout.",
    ".load": "Native extension DLLs need Windows' debugger engine and aren't loaded; Python extends kdnb.",
    ".loadby": "Native extension DLLs need Windows' debugger engine and aren't loaded; Python extends kdnb.",
    ".unload": "No extension DLLs are loaded.",
    ".unloadall": "No extension DLLs are loaded.",
    ".chain": "No extension DLLs: the extensions are part of kdnb, and .help lists them.",
    ".extpath": "No extension DLLs: the extensions are part of kdnb, and .help lists them.",
    ".extmatch": "No extension DLLs: the extensions are part of kdnb, and .help lists them.",
    ".shell": "Debugger commands don't run programs of this computer; cells have Python for that.",
    ".ocommand": "What a target prints is never run as commands.",
    ".detach": "qd lets the target run on and ends the session.",
    ".echotimestamps": "Events have their times: kd.packets() and .lastevent show them.",
    ".wtitle": "There is no window.",
    "tb": "Branch tracing needs hardware that the protocol doesn't reach; th steps to the next branch.",
    ".force_tb": "Branch tracing needs hardware that the protocol doesn't reach.",
}


@command(
    *_WITHOUT_EFFECT,
    summary="Settings of WinDbg's windows that have nothing to do in a notebook.",
    syntax="|".join(_WITHOUT_EFFECT),
    details="Each says in one line how it is here.",
    examples=(".cls", ".prefer_dml 1", "lsp"),
    tier="C",
    needs_stop=False,
)
def without_effect(session: Session, arguments: Arguments) -> Result:
    """How it is here."""
    arguments.all()
    return Text(_WITHOUT_EFFECT[arguments.name])
