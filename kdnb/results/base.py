"""What all results share: `to_dict()`, `df`, and a text that comes from the one presenter.

`present` is the single inversion between this layer and `kdnb.render`: it is declared here and filled
there, so that a repr in a plain script shows WinDbg's layout without `results` knowing how.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import singledispatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = ["Presentation", "Result", "Results", "TableResult", "present"]

Presentation = dict[str, Any]
"""A mimebundle: at least `text/plain`, mostly `text/html` as well."""


@singledispatch
def present(value: object) -> Presentation:
    """How `value` looks, as a mimebundle. `kdnb.render` registers one function for each result type."""
    return {"text/plain": object.__repr__(value)}


def plain(value: object) -> Any:
    """`value` as dicts, lists, numbers and strings, for JSON and for DataFrames; bytes in hex."""
    if isinstance(value, Result):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [plain(item) for item in value]
    return value.hex() if isinstance(value, (bytes, bytearray)) else value


class Result:
    """Base of every value that a command returns; subclasses are frozen dataclasses."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The value as plain dicts, lists, numbers and strings, ready for JSON; bytes in hex."""
        assert dataclasses.is_dataclass(self)
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def __str__(self) -> str:
        return str(present(self)["text/plain"])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Presentation:
        return present(self)


class TableResult(Result):
    """A result that is a table: `rows()` gives one dict a row, `df` the DataFrame."""

    __slots__ = ()

    def rows(self) -> list[dict[str, Any]]:
        raise NotImplementedError(type(self).__name__)  # each table names its rows

    @property
    def df(self) -> pandas.DataFrame:
        """The table as a DataFrame; addresses are numbers."""
        import pandas

        return pandas.DataFrame(self.rows())


class Results(list[Any]):
    """What a list of commands returned, in order; shows as all of them, one below the other."""

    def __repr__(self) -> str:
        return "\n".join(text for text in map(str, self) if text)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Presentation:
        bundles = [present(value) for value in self]
        html = [bundle["text/html"] for bundle in bundles if "text/html" in bundle]
        bundle: Presentation = {"text/plain": repr(self)}
        if html and len(html) == len(bundles):
            bundle["text/html"] = "".join(html)
        return bundle
