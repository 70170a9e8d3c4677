"""Compiling a view's row level: its columns, its filter and the schema that its features see.

Every mistake is collected with its field; nothing is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.definitions import BatchSource, FeatureView, StreamSource, UpdateSource
from headrace.errors import DefinitionError
from headrace.expressions import Expression, compile_expression
from headrace.functions import Function
from headrace.types import Bool, DataType, Null


class Mistakes:
    """The mistakes of one view, in the order found."""

    def __init__(self, view: FeatureView) -> None:
        self.view = view
        self.found: list[DefinitionError] = []

    def add(self, message: str, field: str, **told: str | None) -> None:
        """One more, located in the view."""
        self.take(DefinitionError(message, **told), field)  # type: ignore[arg-type]

    def take(self, error: DefinitionError, field: str) -> None:
        """One that another part raised."""
        self.found.append(
            error.located(definition=f"FeatureView {self.view.name}", field=field, place=self.view.place)
        )


@dataclass(frozen=True)
class RowLevel:
    """The row level of a view: columns in order, the filter, and the columns before and after the
    transform.
    """

    source: dict[str, DataType]
    columns: tuple[tuple[str, Expression], ...]
    where: Expression | None
    before: dict[str, DataType]
    schema: dict[str, DataType]


def compile_rows(
    view: FeatureView,
    given: StreamSource | BatchSource,
    functions: Mapping[str, Function],
    mistakes: Mistakes,
) -> RowLevel:
    """The row level of the view, on what is `given`; what could not be compiled is left out and among the mistakes."""
    source = source_columns(given, mistakes)
    schema = dict(source)
    columns = []
    for name, text in view.columns.items():
        made = compiled(text, schema, functions, f"columns.{name}", mistakes)
        if made is not None:
            columns.append((name, made))
            clash = next((c for c in schema if c.lower() == name.lower() and c != name), None)
            if clash is not None:
                mistakes.add(
                    f"`{name}` and `{clash}` differ by case alone",
                    f"columns.{name}",
                    expected="names unique without regard to case",
                    hint=f"Write `{clash}` to replace the column, or choose another name.",
                )
            schema[name] = made.type
    where = None
    if view.where is not None:
        where = condition(view.where, schema, functions, "where", mistakes)
    before = dict(schema)
    if view.transform is not None:
        schema = {k: t for k, t in schema.items() if k not in view.transform.drops} | dict(
            view.transform.adds
        )
    return RowLevel(source, tuple(columns), where, before, schema)


def source_columns(source: StreamSource | BatchSource, mistakes: Mistakes) -> dict[str, DataType]:
    """The columns of a source that expressions see: all, but for what an update tells of itself."""
    try:
        columns = dict(source.columns)
    except DefinitionError as error:
        mistakes.take(error, "source")
        return {}
    if isinstance(source, UpdateSource):
        return {name: t for name, t in columns.items() if not name.startswith("_")}
    return columns


def compiled(
    text: str,
    schema: Mapping[str, DataType],
    functions: Mapping[str, Function],
    field: str,
    mistakes: Mistakes,
) -> Expression | None:
    """The expression, or None and one more mistake."""
    try:
        return compile_expression(text, schema, functions=functions)
    except DefinitionError as error:
        mistakes.take(error, field)
        return None


def condition(
    text: str,
    schema: Mapping[str, DataType],
    functions: Mapping[str, Function],
    field: str,
    mistakes: Mistakes,
) -> Expression | None:
    """An expression that is true or not."""
    made = compiled(text, schema, functions, field, mistakes)
    if made is not None and made.type not in (Bool, Null):
        mistakes.add(
            "a condition is true or false",
            field,
            expected="Bool",
            got=f"{made.type} of `{text}`",
            hint="Compare it with something, such as `amount > 0`.",
        )
        return None
    return made
