"""What in a cell is a command and what is Python: the one decision table.

A cell is cut into logical lines. `decide` says for each one at the left margin whether it is a command;
lines inside brackets, strings and blocks are Python, and cells that start with `%%` are left alone.
The rules, first match wins (`tests/jupyter/test_cells.py` goes through them line by line):

1. Empty, `#...`, indented, `%magic`, `name = %magic`, `name = !shell`, `thing?`: as IPython has it
   (`!process?` and `.reload?` are `.help`).
2. `!word`, `.word`, `~0s`, `? expr`, `?? expr` (but not `?? name`), `$$ text`, `* text`, `1k`: a command when the
   word is one (Python has no such lines).
3. The line is no Python and starts with a command: a command, even where the word is a Python name (`k 5`).
4. The line is a Python expression that starts with a command word which no Python name hides:
   a command, since Python could only answer with a NameError (`k`, `d - 5`, `u . L3`, `g; k`).
5. Everything else is Python.

A line that begins with `.word` takes the lines of its blocks with it. Commands that stand alone but are not the last
of their cell are shown as they end, wherever they stand (`ShownMagics`).
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from kdnb.commands.lines import logical_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

__all__ = ["CommandWords", "ShownMagics", "decide", "rewrite"]

_PROMPT = re.compile(r"^(?:\d+: )?l?kd> ?")
_ASSIGNED_MAGIC = re.compile(r"^[^=()\"'#]+=\s*[%!]")
_HELP_SUFFIX = re.compile(r"^%{0,2}[\w.*]+\?{1,2}\s*$")
_COMMAND_HELP = re.compile(r"([!.]\w+)\?{1,2}\s*")
_SHOW = "get_ipython().run_line_magic('kd_show', {!r})"
_VALUE = "get_ipython().run_line_magic('kd', {!r})"


@dataclass(frozen=True, slots=True)
class CommandWords:
    """What this module needs to know of the command language."""

    command_name: Callable[[str], str | None]
    """Longest known command at the start of a line."""
    is_exact: Callable[[str], bool]
    """Whether a word is a command's whole name."""


def decide(line: str, words: CommandWords, bound: Container[str]) -> bool:
    """Whether a logical line at the left margin is a command. `bound` holds the Python names in force."""
    text = line.strip()
    if not text or text[0] in "#%@\"'" or line[0].isspace():
        return False
    if _ASSIGNED_MAGIC.match(text) or _HELP_SUFFIX.match(text):
        return False
    if text[0] in "!.?~$*|" or text[0].isdigit():
        return _decide_sign(text, words)
    if words.command_name(text) is None:
        return False
    statements = _parse(text)
    if statements is None:
        return True
    first = statements[0] if statements else None
    name = _leading_name(first)
    return name is not None and words.is_exact(name) and name not in bound and not hasattr(builtins, name)


def _decide_sign(text: str, words: CommandWords) -> bool:
    """Lines that begin with a sign or a digit."""
    if text.startswith("?? "):  # `?? name` is IPython's help
        return re.fullmatch(r"\?\?\s+[\w.*]+", text) is None
    if text[0] == "?":
        return len(text) > 1 and not (text[1].isalpha() or text[1] in "_?")
    if text.startswith("$$"):
        return True
    if text[0] == "!":
        return words.command_name(text) is not None
    statements = _parse(text)
    if text[0] == "*":  # `*names` alone is no Python, though it parses
        first = statements[0] if statements else None
        return statements is None or (isinstance(first, ast.Expr) and isinstance(first.value, ast.Starred))
    if statements is not None:
        return False
    if text[0] == ".":
        return _is_meta_command(text)
    return words.command_name(text) is not None


def _parse(text: str) -> list[ast.stmt] | None:
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _leading_name(statement: ast.stmt | None) -> str | None:
    """The name that an expression statement begins with, if it begins with one."""
    if not isinstance(statement, ast.Expr):
        return None
    node: ast.AST = statement.value
    while True:
        match node:
            case ast.Name(id=name):
                return name
            case ast.BinOp(left=inner) | ast.Compare(left=inner):
                node = inner
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                node = inner
            case ast.BoolOp(values=[inner, *_]) | ast.Tuple(elts=[inner, *_]):
                node = inner
            case ast.IfExp(body=inner):
                node = inner
            case ast.Call(func=ast.Name(id=name)):
                return name
            case _:
                return None


def rewrite(lines: list[str], words: CommandWords, bound: Container[str]) -> list[str]:
    """The cell's lines with each command turned into a call of `%kd`; a cleanup transformer for IPython.

    The last command of a cell becomes its value (`Out[n]`); those before it are shown as they end.
    """
    if not lines or lines[0].startswith("%%"):
        return lines
    logical = list(_logical_lines(lines))
    last = max((index for index, (text, _) in enumerate(logical) if text.strip()), default=-1)
    names = _Names(bound)
    out: list[str] = []
    for index, (text, is_single) in enumerate(logical):
        command = _PROMPT.sub("", text)
        asked = _COMMAND_HELP.fullmatch(command)  # IPython would look for a Python object
        if asked and words.command_name(asked[1]) is not None:
            command = f".help {asked[1]}"
        if is_single and decide(command, words, names):
            out.append((_VALUE if index == last else _SHOW).format(command.strip()) + "\n")
        else:
            names.follow(text)
            out.extend(text.splitlines(keepends=True))
    return out


class _Names:
    """Names of the namespace, and what the cell has bound and deleted so far."""

    def __init__(self, outer: Container[str]) -> None:
        self._outer = outer
        self._bound = set[str]()
        self._gone = set[str]()

    def follow(self, text: str) -> None:
        """The cell goes on with this Python text."""
        bound = _bound_by(text)
        self._bound |= bound
        self._gone = (self._gone - bound) | _deleted_by(text)
        self._bound -= self._gone

    def __contains__(self, name: object) -> bool:
        return name in self._bound or (name in self._outer and name not in self._gone)


def _logical_lines(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """(text, whether it is a single line at the left margin) for each logical line or Python statement."""
    at = 0
    while at < len(lines):
        line = lines[at]
        if _is_meta_command(line):  # its blocks may take lines of their own
            (_, text), *following = islice(logical_lines("".join(lines[at:])), 2)
            count = following[0][0] - 1 if following else len(lines) - at
            yield text + "\n", True
        else:
            count = 1 if not line.strip() or line[0] == "#" else _extent(lines, at)
            yield "".join(lines[at : at + count]), count == 1
        at += count


def _is_meta_command(line: str) -> bool:
    return line[0] == "." and line[1:2].isalpha()


def _extent(lines: list[str], start: int) -> int:
    """How many lines the Python statement at `start` takes; 1 where they are no Python."""
    depth_line = 0
    reader = io.StringIO("".join(lines[start:])).readline
    try:
        for token in tokenize.generate_tokens(reader):
            if token.type == tokenize.ERRORTOKEN and token.string.strip():
                return 1
            if token.type == tokenize.NEWLINE:
                depth_line = token.end[0]
                break
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return _unfinished(lines, start)
    return max(depth_line, 1)


def _unfinished(lines: list[str], start: int) -> int:
    """An open bracket or string takes the rest of the cell, if its first line could be Python at all."""
    first = lines[start].rstrip()
    opens = first.count("(") + first.count("[") + first.count("{")
    closes = first.count(")") + first.count("]") + first.count("}")
    return len(lines) - start if opens > closes or '"""' in first or "'''" in first else 1


class ShownMagics(ast.NodeTransformer):
    """`%k` or `%kd k` as a statement whose value nobody takes, in a loop or before the last line: it is shown.

    An AST transformer of IPython, which shows only what the last line of a cell gives.
    """

    def __init__(self, magics: Container[str]) -> None:
        self._magics = magics

    def visit_Module(self, node: ast.Module) -> ast.Module:
        has_value = bool(node.body) and isinstance(node.body[-1], ast.Expr)
        for statement in node.body[:-1] if has_value else node.body:
            self.visit(statement)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        match node.value:
            case ast.Call(
                func=ast.Attribute(attr="run_line_magic"),
                args=[ast.Constant(value=str(name)) as called, ast.Constant(value=str(rest)) as text],
            ) if name in self._magics:
                called.value = "kd_show"
                text.value = rest if name == "kd" else f"{name} {rest}".strip()
        return node


def _bound_by(text: str) -> set[str]:
    """Names that this Python text binds: assignments, imports, definitions, loop variables."""
    assigned = _ASSIGNED_MAGIC.match(text)
    if assigned:
        return set(re.findall(r"\w+", text.split("=", 1)[0]))
    found: set[str] = set()
    for statement in _parse(text) or _parse(text.rstrip() + " pass\n") or []:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.alias):
                found.add((node.asname or node.name).split(".")[0])
    return found


def _deleted_by(text: str) -> set[str]:
    """Names that a `del` at the left margin takes away."""
    targets = [target for one in _parse(text) or [] if isinstance(one, ast.Delete) for target in one.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}
