"""C++ expressions: `??`, `dx`, `@@c++(...)`. Types count here, and a symbol's value is what it holds.

A recursive descent that computes as it reads, over the operators that change nothing; registers have `@`, numbers
follow C's rules. Nothing is written, no function is called: assignments and calls are refused by name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kdnb.debugger.cplusplus_operations import Operations, Value, decode, literal
from kdnb.debugger.cplusplus_tokens import Tokens, character_number
from kdnb.debugger.cplusplus_types import BOOL, INT, UINT, UINT64, basic_type, parse_type_name
from kdnb.debugger.locals import typed_local
from kdnb.debugger.type_lookup import TypeLookup
from kdnb.debugger.type_rows import follow_path
from kdnb.errors import ExpressionError, UnknownNameError, UnsupportedError
from kdnb.symbols.types import Function, Pointer, PointerTo, StructType, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdnb.debugger.session import Session
    from kdnb.symbols.types import FieldType

__all__ = ["evaluate_cplusplus", "parse_leading_cplusplus"]

MAX_DEPTH = 64
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
"""Binary operators from loose to tight."""
_TYPED_REGISTERS = {
    **{"$proc": "nt!_EPROCESS", "$curprocess": "nt!_EPROCESS", "$thread": "nt!_ETHREAD", "$curthread": "nt!_ETHREAD"},
    **{"$peb": "nt!_PEB", "$teb": "nt!_TEB"},
}
_DATA_MODEL = {"$curprocess": "$proc", "$curthread": "$thread"}


def evaluate_cplusplus(text: str, session: Session) -> Value:
    """The value of a C++ expression, read from memory where it is a place. Raises `ExpressionError`."""
    parser = _Parser(text, session)
    value = parser.value()
    parser.tokens.end()
    return value


def parse_leading_cplusplus(text: str, session: Session) -> tuple[Value, str]:
    """The longest expression that `text` starts with, and the text behind it."""
    parser = _Parser(text, session)
    value = parser.value()
    return value, text[parser.tokens.at :].lstrip()


class _Parser:
    def __init__(self, text: str, session: Session) -> None:
        self.tokens = Tokens(text)
        self._operations = Operations(session, self.tokens)
        self._session = session
        self._lookup = TypeLookup(session)
        self._depth = 0

    def value(self) -> Value:
        """An expression, read where it is a place."""
        return self._operations.loaded(self._expression())

    # --- operators ------------------------------------------------------------------------------

    def _expression(self) -> Value:
        self._deeper()
        value = self._binary(0)
        if self.tokens.sign("?"):
            chosen = bool(self._operations.number(value))
            first = self._part(chosen, self._expression)
            self.tokens.expect(":")
            second = self._part(not chosen, self._expression)
            value = first if chosen else second
        self._depth -= 1
        return value

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"Syntax error at '{self.tokens.rest}'", "nested too deeply")

    def _part(self, counts: bool, parse: Callable[[], Value]) -> Value:
        """An operand that is read from memory only where it counts."""
        self._operations.unused += not counts
        try:
            return self._operations.loaded(parse())
        finally:
            self._operations.unused -= not counts

    def _binary(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._unary()
        value = self._binary(level + 1)
        while sign := self.tokens.sign(*_LEVELS[level]):
            value = self._operations.loaded(value)
            left = self._operations.number(value)
            counts = not (sign == "&&" and not left) and not (sign == "||" and left)
            right = self._part(counts, lambda: self._binary(level + 1))
            value = self._operations.binary(sign, value, right)
        return value

    def _unary(self) -> Value:
        self._deeper()
        value = self._prefixed()
        self._depth -= 1
        return value

    def _prefixed(self) -> Value:
        if cast := self._cast():
            return cast
        sign = self.tokens.sign("-", "+", "~", "!", "*", "&", "++", "--")
        if sign in ("++", "--"):
            raise UnsupportedError("C++ expressions don't change anything here", "ed, eq and r do")
        if sign:
            return self._operations.unary(sign, self._unary())
        return self._postfixed(self._primary())

    def _cast(self) -> Value | None:
        """`(Type)operand`; None where the bracket holds no type."""
        before = self.tokens.at
        if not self.tokens.sign("("):
            return None
        of = self._type_name()
        if of is None or not self.tokens.sign(")"):
            self.tokens.at = before
            return None
        return self._operations.cast(of, self._unary())

    def _type_name(self) -> FieldType | None:
        """The type that stands here; nothing is taken where there is none of that name."""
        text = self.tokens.text
        found = parse_type_name(text, self.tokens.at)
        of = self._named_type(found.name) if found is not None else None
        if found is None:
            return None
        if of is None:
            if found.pointers and text[found.end : found.end + 1] == ")":
                raise self._lookup.unknown(found.name)
            return None
        self.tokens.at = found.end
        for _ in range(min(found.pointers, 8)):
            of = PointerTo.make(of, self._session.pointer_size)
        return of

    def _named_type(self, name: str) -> FieldType | None:
        basic = basic_type(name, self._session.pointer_size)
        if basic is not None:
            return basic
        found = self._lookup.find(name)
        return found.type if found is not None else self._lookup.typedef(name)

    def _postfixed(self, value: Value) -> Value:
        while sign := self.tokens.sign(".", "->", "["):
            if sign == "[":
                index = int(self._operations.number(self._expression()))
                self.tokens.expect("]")
                value = self._operations.element(value, index)
                continue
            if sign == "->" or isinstance(value.type, Pointer):  # WinDbg takes a dot for an arrow as well
                value = self._operations.pointed(value)
            found = self.tokens.peek()
            if found is None or not found["name"]:
                raise ExpressionError(f"Syntax error at '{self.tokens.rest}'", "the name of a field is missing")
            value = self._operations.member(value, found["name"])
            self.tokens.at = found.end()
        return value

    # --- operands -------------------------------------------------------------------------------

    def _primary(self) -> Value:
        if self.tokens.sign("("):
            value = self._expression()
            self.tokens.expect(")")
            return value
        found = self.tokens.peek()
        if found is None or found["sign"]:
            raise ExpressionError(f"Syntax error at '{self.tokens.rest}'")
        self.tokens.at = found.end()
        if found["number"]:
            return literal(found["number"], found["suffix"])
        if found["char"]:
            return Value(INT, character_number(found["char"]))
        if found["evaluator"]:
            return Value(UINT64, self._session.evaluate(self.tokens.bracketed()))
        if found["register"]:
            return self._register(found["register"])
        if found["builtin"]:
            return self._builtin(found["builtin"].lstrip("#"))
        return self._name(found["name"], found.start())

    def _register(self, name: str) -> Value:
        lowered = _DATA_MODEL.get(name.lower(), name.lower())
        environment = self._session.environment
        number = environment.pseudo_register(lowered[1:]) if name[0] == "$" else environment.register(lowered)
        if number is None:
            raise ExpressionError(f"Bad register error at '@{name[:60]}'", "r lists the registers")
        of: FieldType = UINT64 if self._session.pointer_size == 8 or number >> 32 else UINT
        typed = environment.typed.get(lowered[1:]) if name[0] == "$" else None
        struct_name = _TYPED_REGISTERS.get(name.lower())
        found = self._lookup.find(struct_name) if struct_name is not None else None
        if typed is not None and typed.number == number:
            of = typed.type
        elif found is not None:
            of = PointerTo.make(found.type, self._session.pointer_size)
        return Value(of, number)

    def _builtin(self, name: str) -> Value:
        """`sizeof(T)`, `#FIELD_OFFSET(T, F)`, `#CONTAINING_RECORD(A, T, F)`, from behind the bracket on."""
        if name == "sizeof":
            of = self._type_name()
            if of is None:
                of = self._part(False, self._expression).type
            self.tokens.expect(")")
            return Value(UINT64 if self._session.pointer_size == 8 else UINT, of.size)
        address = 0
        if name == "CONTAINING_RECORD":
            address = int(self._operations.number(self._expression()))
            self.tokens.expect(",")
        of = self._type_name()
        if not isinstance(of, StructType):
            raise ExpressionError(f"Syntax error at '{self.tokens.rest}'", "the name of a struct is missing")
        self.tokens.expect(",")
        path = re.compile(r"\s*([\w$.]+)").match(self.tokens.text, self.tokens.at)
        if path is None:
            raise ExpressionError(f"Syntax error at '{self.tokens.rest}'", "the name of a field is missing")
        self.tokens.at = path.end()
        offset, _ = follow_path(of, path[1])
        self.tokens.expect(")")
        if name == "FIELD_OFFSET":
            return Value(INT, offset)
        return Value(PointerTo.make(of, self._session.pointer_size), address - offset & self._session.address_mask)

    def _name(self, name: str, start: int) -> Value:
        """A variable: local, then global. A name without a type is a place of unknown kind."""
        if name in ("true", "false"):
            return Value(BOOL, int(name == "true"))
        if name == "this" or "!" not in name:
            local = typed_local(self._session, name)
            if local is not None:
                of, address, data = local
                return Value(of, None, address) if address is not None else Value(of, decode(of, data))
        variable = self._lookup.variable(name)
        if variable is not None:
            return Value(variable.type, None, variable.address)
        address = self._session.symbols.lookup(name)
        if address is None and (name[0] == "$" or self._session.registers.has(name)):
            raise ExpressionError(f"Couldn't resolve error at '{name[:60]}'", f"registers have @ in C++: @{name[:60]}")
        if address is None:
            near = self._session.symbols.near(name)
            hint = f"did you mean {', '.join(near[:3])}?" if near else "look names up with: x module!*pattern*"
            rest = self.tokens.text[start:].strip()[:60]
            raise UnknownNameError(f"Couldn't resolve error at '{rest}'", hint, near)
        is_function = self._session.symbols.function_start(address) == address
        return Value(Function() if is_function else Unknown(), None, address)
