"""How anything is declared: where it stands, what is wrong with it, and whether that is raised or collected.

Owns the place of a call, the binding of arguments to a constructor with mistakes that teach, and the scope of
one load. Inside a scope a constructor collects its mistakes and gives back something marked `broken`, so that
the rest of the file still runs; outside (a notebook, a test) it raises at once. Knows no single definition.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from headrace.durations import WrongValueError
from headrace.errors import DefinitionError, Place, ProjectError, did_you_mean

if TYPE_CHECKING:
    from headrace.functions import Function

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Scope:
    """One load: the folder it reads, the mistakes met so far, and what was declared, in order."""

    root: Path
    mistakes: list[DefinitionError] = field(default_factory=list)
    declared: list[Definition] = field(default_factory=list)
    functions: list[tuple[Function, Place]] = field(default_factory=list)


_scope: ContextVar[Scope | None] = ContextVar("headrace_scope", default=None)


def current_scope() -> Scope | None:
    """The load that is under way in this context, or None."""
    return _scope.get()


@contextmanager
def collecting(root: Path) -> Iterator[Scope]:
    """Collect mistakes instead of raising them; places are told relative to `root`."""
    token = _scope.set(scope := Scope(root))
    try:
        yield scope
    finally:
        _scope.reset(token)


def place_of(frame: FrameType | None) -> Place:
    """The file and line of the nearest caller outside Headrace, relative to the load's root or to here."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).split(".")[0] == "headrace":
        frame = frame.f_back
    if frame is None:
        return Place()
    scope = _scope.get()
    return Place(told_file(frame.f_code.co_filename, scope.root if scope else Path.cwd()), frame.f_lineno)


def told_file(file: str, root: Path) -> str:
    """A file's name as a person should read it: relative to `root` if inside it."""
    try:
        return Path(file).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return file


def base_folder(frame: FrameType | None) -> Path:
    """What a schema's path is relative to: the load's config folder; outside a load the folder above
    `features/` of the calling file, or that file's own folder, or the working directory."""
    scope = _scope.get()
    if scope is not None:
        return scope.root
    while frame is not None and str(frame.f_globals.get("__name__", "")).split(".")[0] == "headrace":
        frame = frame.f_back
    file = Path(frame.f_code.co_filename) if frame is not None else Path("<unknown>")
    if not file.is_file():
        return Path.cwd()
    above = [p.parent for p in file.resolve().parents if p.name == "features"]
    return above[-1] if above else file.resolve().parent


class Mistakes:
    """The mistakes of one declaration, gathered before any is raised."""

    def __init__(self, definition: str | None, place: Place) -> None:
        self.definition = definition
        self.place = place
        self.found: list[DefinitionError] = []
        self.known: list[DefinitionError] = []

    def add(
        self,
        message: str,
        *,
        field: str | None = None,
        expected: str | None = None,
        got: object = None,
        hint: str | None = None,
        place: Place | None = None,
    ) -> None:
        """One more mistake; `got` is shown by its repr unless it is a text already."""
        shown = got if got is None or isinstance(got, str) else repr(got)
        self.found.append(DefinitionError(message, field=field, expected=expected, got=shown, hint=hint))
        self.found[-1].located(definition=self.definition, place=place or self.place)

    def wrong(
        self,
        error: Exception,
        *,
        before: str = "",
        field: str | None = None,
        hint: str | None = None,
        place: Place | None = None,
    ) -> None:
        """One more mistake, in the words of a value that was refused; `before` names who refused it."""
        if not isinstance(error, WrongValueError):
            self.add(f"{before}{error}", field=field, hint=hint, place=place)
            return
        told = {"expected": error.expected, "got": error.got, "hint": hint or error.hint}
        self.add(f"{before}{error.message}", field=field, place=place, **told)

    def take(self, error: DefinitionError, *, field: str | None = None, place: Place | None = None) -> None:
        """A mistake that another part raised, located here."""
        several = error.errors if isinstance(error, ProjectError) else (error,)
        for one in several:
            one.located(definition=self.definition, field=field, place=place or self.place)
            self.found.append(one)

    def inherit(self, errors: tuple[DefinitionError, ...], *, field: str) -> None:
        """Mistakes of a part (an aggregate, a window) that are collected already: told where, not again."""
        for one in errors:
            if one.definition is None:
                one.field = f"{field}.{one.field}" if one.field else field
            one.located(definition=self.definition, field=field)
            self.known.append(one)

    def settle(self) -> tuple[DefinitionError, ...]:
        """Raise what was found, or, inside a load, collect it and return everything that is wrong."""
        scope = _scope.get()
        if scope is not None:
            scope.mistakes.extend(self.found)
        elif len(self.found) == 1:
            raise self.found[0] from None
        elif self.found:
            raise ProjectError(self.found) from None
        return (*self.known, *self.found)


def bind(
    signature: inspect.Signature,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    what: str,
    mistakes: Mistakes,
) -> inspect.BoundArguments | None:
    """Arguments for a call, with unknown keywords named and dropped; None where no call is possible."""
    parameters = signature.parameters
    known = {k: v for k, v in kwargs.items() if k in parameters}
    excused = set()
    for name in kwargs:
        if name not in parameters:
            hint = did_you_mean(name, parameters)
            excused |= {p for p in parameters if hint and f"`{p}`" in hint}
            hint = hint or f"It takes {', '.join(parameters)}."
            mistakes.add(f"{what} has no argument `{name}`", field=name, hint=hint)
    positional = [p for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
    if len(args) > len(positional):
        taken = ", ".join(p.name for p in positional)
        named = ", ".join(f"{p.name}=" for p in list(parameters.values())[len(positional) :])
        mistakes.add(
            f"{what} takes {len(positional)} argument{'s' * (len(positional) != 1)} by position ({taken})",
            got=f"{len(args)}",
            hint=f"Name the others: {named}." if named else None,
        )
        return None
    given = {p.name for p in positional[: len(args)]}
    for name in sorted(given & set(known)):
        mistakes.add(f"{what} was given `{name}` twice, by position and by name", field=name)
        known.pop(name)
    missing = [
        p.name for p in parameters.values() if p.default is p.empty and p.name not in given | set(known)
    ]
    for name in missing:
        if name not in excused:
            mistakes.add(f"{what} needs `{name}`", field=name, hint=_NEEDED.get(name))
    return None if missing else signature.bind(*args, **known)


_NEEDED = {
    "entity": "Give the entity that it describes, such as entity=customer.",
    "source": "Give the stream that it reads, such as source=payments.",
    "step": "Give a duration that divides the size, such as hr.hopping('1h', '5m').",
    "over": "Give a duration such as over='48h', or a window such as over=hr.tumbling('1h').",
    "keys": "Give the join keys with their types, such as keys={'user_id': hr.Int64}.",
    "schema": "Give a path relative to the config folder, such as schema='schemas/payment.avsc'.",
    "features": "Give at least one, such as features={'payments_1h': hr.count(over='1h')}.",
}


class Declared(type):
    """Metaclass of definitions: locates the call, binds its arguments, constructs, then settles mistakes."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> None:
        super().__init__(name, bases, namespace)
        if "__init__" in namespace:
            own = inspect.signature(namespace["__init__"])  # type: ignore[arg-type]
            cls.__signature__ = own.replace(parameters=list(own.parameters.values())[1:])

    if not TYPE_CHECKING:  # checkers see the constructor itself

        def __call__(cls, *args, **kwargs):
            caller = sys._getframe(1)
            name = kwargs.get("name", args[0] if args else None)
            what = f"{cls.__name__} {name}" if isinstance(name, str) else cls.__name__
            mistakes = Mistakes(what, place_of(caller))
            bound = bind(cls.__signature__, args, kwargs, cls.__name__, mistakes)
            self = cls.__new__(cls)
            for part in fields(cls):
                object.__setattr__(self, part.name, None)
            object.__setattr__(self, "place", mistakes.place)
            object.__setattr__(self, "mistakes", ())
            object.__setattr__(self, "_mistakes", mistakes)
            object.__setattr__(self, "_base", base_folder(caller))
            if bound is not None:
                self.__init__(*bound.args, **bound.kwargs)
            elif isinstance(name, str):
                object.__setattr__(self, "name", name)
            object.__setattr__(self, "mistakes", mistakes.settle())
            scope = _scope.get()
            if scope is not None:
                scope.declared.append(self)
            return self


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Definition(metaclass=Declared):
    """What every definition has: a name, words about it, and the place of its call.

    Definitions are immutable and compare by identity. `mistakes` is not empty only inside a load.
    """

    name: str
    description: str
    owner: str
    tags: Mapping[str, str]
    place: Place
    mistakes: tuple[DefinitionError, ...]

    if TYPE_CHECKING:
        _mistakes: Mistakes
        _base: Path

    @property
    def broken(self) -> bool:
        """Whether it was declared with a mistake; what depends on it is then not judged."""
        return bool(self.mistakes)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def spoil(definition: Definition, mistakes: tuple[DefinitionError, ...]) -> None:
    """Add mistakes that a load found later, and told already, to a definition's own."""
    object.__setattr__(definition, "mistakes", (*definition.mistakes, *mistakes))


def declaring(fn: Callable[P, T], broken: Callable[[tuple[DefinitionError, ...]], T]) -> Callable[P, T]:
    """A constructor function whose wrong calls teach. Inside a load a wrong call gives `broken(mistakes)`.

    A ValueError or TypeError that `fn` raises is a mistake of the call, in its own words.
    """
    signature = inspect.signature(fn)

    @functools.wraps(fn)
    def constructor(*args: P.args, **kwargs: P.kwargs) -> T:
        mistakes = Mistakes(None, place_of(sys._getframe(1)))
        bound = bind(signature, args, kwargs, f"{fn.__name__}()", mistakes)
        if bound is not None and not mistakes.found:
            try:
                return fn(*bound.args, **bound.kwargs)
            except DefinitionError as error:
                mistakes.take(error)
            except (ValueError, TypeError) as error:
                mistakes.wrong(error, before=f"{fn.__name__}(): ")
        return broken(mistakes.settle())

    return constructor
