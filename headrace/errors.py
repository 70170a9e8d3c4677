"""Every error that Headrace raises on purpose, in one tree.

    HeadraceError
    ├── UsageError                  a call or command that makes no sense as given
    ├── SettingsError               headrace.toml or a HEADRACE_ variable is wrong
    ├── DefinitionError             one mistake in a definition: where, expected, got, fix
    │   ├── ExpressionError         ... inside a SQL expression; carries the kind of reason
    │   ├── SchemaError             ... inside an Avro or JSON schema
    │   └── ProjectError            every mistake of a config folder at once
    ├── DecodeError                 one record that is not what its schema says
    ├── UnavailableError            a component (Kafka, Redis, registry, S3) does not answer
    └── StateError                  the state on disk or in a changelog cannot be used as it is
        ├── CorruptRecordError      a record batch of the log is damaged or of a format too old
        ├── FencedError             somebody else owns this partition now
        ├── PositionError           the log and the state disagree about offsets
        └── OnlineLostError         Redis may have lost what was written to it

A message says where, what was expected, what came, and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class HeadraceError(Exception):
    """Root of the tree; catching it catches everything that Headrace raises on purpose."""


class UsageError(HeadraceError):
    """A call or command that makes no sense as given."""


class SettingsError(HeadraceError):
    """A setting is unknown, missing or of the wrong form. Never carries a secret's value."""


@dataclass(frozen=True)
class Place:
    """Where a definition stands: file (relative to the config folder if inside it) and line, if known."""

    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"


class DefinitionError(HeadraceError):
    """One mistake in a definition.

    `message` says what is wrong in a sentence; the rest says where and what to do:
    `definition` (such as ``FeatureView customer_spend``), `field` (such as ``features.spend_48h``),
    `expected`, `got`, `hint` (the fix, often the nearest known name), `place` (file and line).
    """

    def __init__(
        self,
        message: str,
        *,
        definition: str | None = None,
        field: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        hint: str | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.definition = definition
        self.field = field
        self.expected = expected
        self.got = got
        self.hint = hint
        self.place = place or Place()

    @property
    def file(self) -> str | None:
        """The file that it stands in, if known."""
        return self.place.file

    @property
    def line(self) -> int | None:
        """The line that it stands in, if known."""
        return self.place.line

    def located(
        self, *, definition: str | None = None, field: str | None = None, place: Place | None = None
    ) -> DefinitionError:
        """This error, in place, with what was not yet known of where it happened filled in."""
        self.definition = self.definition or definition
        self.field = self.field or field
        if self.place.file is None and place is not None:
            self.place = place
        return self

    def __str__(self) -> str:
        where = " ".join(x for x in (str(self.place), self.definition, self.field) if x)
        parts = [f"{where}: {self.message}" if where else self.message]
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.got is not None:
            parts.append(f"got {self.got}")
        text = "; ".join(parts)
        return f"{text}. {self.hint}" if self.hint else text


class ExpressionError(DefinitionError):
    """A SQL expression that is refused when it is declared.

    `reason` is one of: unknown_column unknown_function wrong_arity type_mismatch aggregate window subquery
    generator star statement multiple_statements empty syntax ddl unsupported.
    """

    def __init__(
        self, message: str, *, reason: str, expression: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, got=None if expression is None else f"`{expression}`", hint=hint)
        self.reason = reason
        self.expression = expression


class SchemaError(DefinitionError):
    """An Avro or JSON schema that does not parse or has a type Headrace cannot carry."""


class ProjectError(DefinitionError):
    """Every mistake found in a config folder, in file and line order (`errors`)."""

    def __init__(self, errors: Sequence[DefinitionError]) -> None:
        self.errors = tuple(errors)
        n = len(self.errors)
        super().__init__(f"{n} mistake{'' if n == 1 else 's'} in the definitions")

    def __str__(self) -> str:
        return "\n".join([self.message + ":", *(f"  {e}" for e in self.errors)])


class DecodeError(HeadraceError):
    """One record that is not what its schema says. `reason` is a dead-letter reason of the spec, section 7."""

    def __init__(self, detail: str, *, reason: str = "decode") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class UnavailableError(HeadraceError):
    """A component does not answer: which, where (without secrets), and what was tried."""


class StateError(HeadraceError):
    """The state on disk or in a changelog cannot be used as it is; says what the operator can do."""


class CorruptRecordError(StateError):
    """A record batch of the log is damaged, or of a format too old to read."""


class FencedError(StateError):
    """Somebody else owns this partition now; nothing more may be written for it. `fence_key`: where Redis said so."""

    def __init__(self, message: str, *, fence_key: str | None = None) -> None:
        super().__init__(message)
        self.fence_key = fence_key


class PositionError(StateError):
    """The log and the state disagree about offsets: a gap, a log that starts later, or another topic."""


class OnlineLostError(StateError):
    """Redis may have lost earlier writes (restarted, flushed, another server): claim `fence_key`, publish again."""

    def __init__(self, message: str, *, fence_key: str | None = None) -> None:
        super().__init__(message)
        self.fence_key = fence_key


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name` (case aside), or None if none is near."""
    names = {k.lower(): k for k in known}
    found = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return names[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A sentence with the nearest known name, or None."""
    near = nearest(name, known)
    return None if near is None else f"Did you mean `{near}`?"


__all__ = [
    "CorruptRecordError",
    "DecodeError",
    "DefinitionError",
    "ExpressionError",
    "FencedError",
    "HeadraceError",
    "OnlineLostError",
    "Place",
    "PositionError",
    "ProjectError",
    "SchemaError",
    "SettingsError",
    "StateError",
    "UnavailableError",
    "UsageError",
    "did_you_mean",
    "nearest",
]
