"""`.reload`, `.sympath`, `.symfix`, `ld`, `!sym`: where symbols come from (the command reference, 7.8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.errors import ExpressionError, UnknownNameError, UnsupportedError, UsageError
from kdnb.results.values import Text
from kdnb.symbols.image_files import find_images
from kdnb.symbols.store import DEFAULT_STORE, SymbolPath
from kdnb.symbols.wildcards import compile_wildcard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result
    from kdnb.results.modules import UnloadedModule

DOTS_PER_ROW = 64


@command(
    ".reload",
    summary="Read the target's module list again; load symbols.",
    syntax=".reload [/f] [/i] [/n] [/u] [/unl] [/user] [/v] [Module[=Base,Size]]",
    details="/user reads the images of the process whose user memory is seen (.process): they show while it is. "
    "/unl loads symbols of modules that were unloaded: their image files are looked for on the symbol path, and tell "
    "which PDB belongs to them (/i takes the first file where several builds fit). "
    "/f loads symbols now (of one module, or of all, from servers too); without it they are loaded when first "
    "used. /i takes a PDB of another build where none fits. /u forgets a module's symbols. Module=Base,Size adds an "
    "image that the target's list doesn't have.",
    examples=(".reload", ".reload /f nt", ".reload /u disk", ".process 1044; .reload /user", ".reload /unl"),
)
def reload_modules(session: Session, arguments: Arguments) -> Result:
    """A fresh list; symbols are loaded when asked for, or now."""
    letters = ("f", "i", "l", "n", "o", "s", "u", "unl", "user", "v", "w", "d")
    options = arguments.options(dict.fromkeys(letters, False))
    name, equals, place = arguments.word().partition("=") if not arguments.at_end else ("", "", "")
    if equals:
        return _add(session, arguments, name, place)
    arguments.finish()
    if "u" in options:
        return _forget(session, name)
    if "unl" in options:
        lines = _load_unloaded(session, name, first="i" in options, verbose="v" in options)
        return Text("\n".join(lines))
    if "user" in options:
        lines = load_user_modules(session)
        modules = session.modules.user
    else:
        session.refresh()
        modules = list(session.modules)
        lines = ["Loading Kernel Symbols", *_dots(modules), *_unloaded_list(session)]
    if session.modules.note and "user" not in options:
        lines.append(session.modules.note)
    wanted = [_module(session, name)] if name else modules
    for module in wanted:
        if "i" in options:
            module.accept_mismatch = True
            module.forget_symbols()
        if options.keys() & {"f", "i"}:
            lines += _load(session, module, verbose="v" in options)
    return Text("\n".join(lines))


def load_user_modules(session: Session) -> list[str]:
    """Read the images of the process that is seen, and say so. Raises `UnsupportedError` where it has none."""
    session.drop_caches()
    note = session.modules.load_user()
    session.breakpoints.resolve_deferred()
    return ["Loading User Symbols", *_dots(session.modules.user), *([note] if note else [])]


def _unloaded_list(session: Session) -> list[str]:
    """What there is of it; nothing where no module was unloaded."""
    unloaded = list(session.modules.remembered)
    lines = ["Loading unloaded module list", *_dots(unloaded)] if unloaded else []
    return [*lines, session.modules.remembered.note] if session.modules.remembered.note else lines


def _load_unloaded(session: Session, name: str, *, first: bool, verbose: bool) -> list[str]:
    """Symbols of modules that were unloaded, of all or of one by its name; `first` takes any of several builds."""
    session.drop_caches()
    session.modules.remembered.invalidate()
    every = list({(each.name.lower(), each.start, each.end): each for each in session.modules.remembered}.values())
    wanted = [each for each in every if not name or name.lower() in _spellings(each)]
    if name and every and not wanted:
        raise UnknownNameError(f'"{name[:60]}" was not found in the list of unloaded modules', "lm shows it")
    lines = _unloaded_list(session) or ["No module was unloaded"]
    for module in wanted:
        session.require_stopped()
        lines += _bring_back(session, module, first=first, verbose=verbose)
    session.breakpoints.resolve_deferred()
    return lines


def _spellings(module: UnloadedModule) -> tuple[str, str]:
    return module.name.lower(), module.name.lower().rpartition(".")[0]


def _bring_back(session: Session, gone: UnloadedModule, *, first: bool, verbose: bool) -> list[str]:
    images = find_images(session.symbols.path, gone.name, session.machine, gone.size)
    if not images:
        return [
            f"*** ERROR: no image file {gone.name} of {gone.size:#x} bytes is on the symbol path: which PDB belongs to "
            "it isn't known; .sympath+ FOLDER names where it lies"
        ]
    if len(images) > 1 and not first:
        paths = ", ".join(str(each.path) for each in images[:4])
        return [f"*** ERROR: {len(images)} builds of {gone.name} fit: {paths}; .reload /i /unl takes the first"]
    module = session.modules.bring_back(gone, images[0].image)
    if module is None:
        return [f"{gone.name}: an image is loaded there now"]
    return _load(session, module, verbose=verbose)


def _dots(modules: Sequence[object]) -> list[str]:
    """One for each module, in rows."""
    return ["." * min(len(modules) - at, DOTS_PER_ROW) for at in range(0, len(modules), DOTS_PER_ROW)]


def _add(session: Session, arguments: Arguments, name: str, place: str) -> Text:
    """An image at a place that the user knows."""
    arguments.rest = f"{place} {arguments.rest}".replace(",", " ").strip()
    if arguments.at_end:
        raise ExpressionError("Syntax error at '<EOL>'", ".reload NAME.sys=Base,Size")
    base = arguments.expression() & session.address_mask
    size = arguments.expression(0)
    arguments.all()  # a time stamp: the image itself has it
    module = session.modules.loaded(name, base, size or 1)
    if not size and module.image is not None:
        module.size = module.image.size_of_image
    if module.image is None:
        session.modules.unloaded(base)
        raise UnsupportedError(f"no image is at {session.symbols.format(base)}: {module.symbol_note}", "check the base")
    return Text(f"{module.name}: {module.base:x} to {module.end:x}")


def _forget(session: Session, name: str) -> Text:
    wanted = [_module(session, name)] if name else list(session.modules)
    for module in wanted:
        module.forget_symbols()
        if module.is_unloaded:
            session.modules.forget_gone(module)
    return Text(f"Unloaded {', '.join(module.name for module in wanted)}")


def _module(session: Session, name: str) -> Module:
    module = session.modules.get(name) or session.modules.get(re.sub(r"\.\w+$", "", name))
    if module is None:
        raise UnknownNameError(f'"{name[:60]}" was not found in the image list', "lm lists the modules")
    return module


def _load(session: Session, module: Module, *, verbose: bool = False) -> list[str]:
    """Load a module's symbols now, and say what came of it."""
    session.require_stopped()  # sees a cancel
    if not module.symbol_file:
        session.symbols.retry_servers()
        module.forget_symbols()  # a folder may have got the file meanwhile, or a server be back
    count = len(module.symbols)
    note = f" ({module.symbol_note})" if module.symbol_note else ""
    lines = [f"{module.name}: {count} names, {module.symbol_status}{note}"]
    if module.pdb is None:
        found = "export" if count else "no"
        lines.insert(
            0,
            f"*** ERROR: Symbol file could not be found.  Defaulted to {found} symbols for {module.image_name} -",
        )
    if verbose or session.options.get("sym_noisy"):
        lines += [f"SYMSRV:  {line}" for line in module.tried]
        if module.symbol_file:
            lines.append(f"DBGHELP: {module.name} - {module.symbol_status}\n         {module.symbol_file}")
    return lines


@command(
    "ld",
    summary="Load the symbols of modules now.",
    syntax="ld Module|Pattern",
    examples=("ld nt", "ld d*"),
    tier="B",
)
def load_symbols(session: Session, arguments: Arguments) -> Result:
    """A line for each module."""
    pattern = arguments.word()
    arguments.all()  # /f FILE of another image: the path decides
    if not pattern:
        raise ExpressionError("Syntax error at '<EOL>'", "ld nt")
    matches = compile_wildcard(pattern).fullmatch
    wanted = [module for module in session.modules if matches(module.name)] or [_module(session, pattern)]
    lines: list[str] = []
    for module in wanted:
        lines += _load(session, module)
        if module.pdb is not None:
            lines.append(f"Symbols loaded for {module.name}")
    return Text("\n".join(lines))


@command(
    ".sympath",
    ".sympath+",
    summary="Show, set or extend (+) the symbol path.",
    syntax=".sympath[+] [Path[;Path ...]]",
    details="A path names folders: plain ones, or stores (NAME.pdb/GUIDAGE/NAME.pdb). srv*FOLDER*URL asks a symbol "
    "server for what FOLDER doesn't have, and keeps it there; cache*FOLDER keeps what later parts download. Nothing is "
    "downloaded before a module's symbols are used.",
    examples=(".sympath",),
    needs_stop=False,
)
def symbol_path(session: Session, arguments: Arguments) -> Result:
    """The symbol path."""
    text = arguments.all()
    if text and arguments.name.endswith("+"):
        text = ";".join(filter(None, [str(session.symbols.path), text]))
    if text:
        session.symbols.set_path(text)
    return _path(session)


def _path(session: Session) -> Text:
    path = str(session.symbols.path)
    return Text(f"Symbol search path is: {path}\nExpanded Symbol search path is: {path}")


@command(
    ".symfix",
    ".symfix+",
    summary="Set the symbol path to a symbol server with a folder for what it gives (+ adds to the path).",
    syntax=".symfix[+] [Folder] [URL]",
    details="kdnb knows no server by itself: give its address, or have _NT_SYMBOL_PATH name it (srv*FOLDER*URL).",
    tier="A",
    needs_stop=False,
)
def fix_symbol_path(session: Session, arguments: Arguments) -> Result:
    """`srv*FOLDER*URL`."""
    words = arguments.all().split()
    servers = [word for word in words if "://" in word]
    folders = [word for word in words if "://" not in word]
    if not servers:
        known = (*session.symbols.path.elements, *SymbolPath.from_environment().elements)
        servers = [server for element in known for server in element.servers][:1]
    if not servers:
        raise UsageError("no symbol server is known", ".symfix FOLDER URL, or set _NT_SYMBOL_PATH=srv*FOLDER*URL")
    text = f"srv*{folders[0] if folders else DEFAULT_STORE}*{servers[0]}"
    if arguments.name.endswith("+"):
        text = ";".join(filter(None, [str(session.symbols.path), text]))
    session.symbols.set_path(text)
    return _path(session)


@command(
    "!sym",
    summary="Say where symbols are looked for (noisy), or don't (quiet).",
    syntax="!sym [noisy|quiet]",
    examples=("!sym", "!sym noisy", "!sym quiet"),
    tier="B",
    needs_stop=False,
)
def symbol_prompts(session: Session, arguments: Arguments) -> Result:
    """The present mode."""
    word = arguments.word()
    if word not in ("", "noisy", "quiet", "prompts", "off"):
        raise ExpressionError(f"Syntax error at '{word[:60]}'", "!sym noisy, !sym quiet")
    arguments.finish()
    if word in ("noisy", "quiet"):
        session.options["sym_noisy"] = word == "noisy"
    mode = "noisy" if session.options.get("sym_noisy") else "quiet"
    return Text(f"{mode} mode - symbol prompts off")
