"""From a TOML file and environment variables to a settings model, or to every mistake in them.

Owns the merging and the words about what is wrong: where it stands (file and section, or variable), what was
expected, the nearest known name. Not pydantic-settings, which passes over a misspelt variable in silence and cannot
say where a wrong value came from. Knows no single setting, and reads no environment of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr, ValidationError

from headrace.errors import SettingsError, did_you_mean, nearest

PREFIX = "HEADRACE_"
FILE = "headrace.toml"
ELSEWHERE = frozenset({"HEADRACE_FAILPOINT"})
"""Variables that are not settings of the file."""

M = TypeVar("M", bound=BaseModel)


@dataclass
class Given:
    """What was given: values by section and key, where each stands, and what was already wrong."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[tuple[str, ...], str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def masked(address: str) -> str:
    """An address without the password in it."""
    parts = urlsplit(address)
    who, at, where = parts.netloc.rpartition("@")
    user, colon, password = who.partition(":")
    if not at or not password:
        return str(address)
    return urlunsplit(parts._replace(netloc=f"{user}{colon}***@{where}"))


def given_in(folder: Path, told: Path, env: Mapping[str, str], model: type[BaseModel]) -> Given:
    """The file of `folder` (told as `told`), then the variables over it."""
    given = Given()
    sections = {n: f for n, f in sections_of(model).items() if f is not None}
    file = folder / FILE
    if file.is_file():
        _read(file, str(told / FILE), given, sections_of(model))
    for name in sorted(n for n in env if n.startswith(PREFIX) and n not in ELSEWHERE and env[n] != ""):
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        known = len(path) == 2 and path[1] in sections.get(path[0], ())
        if not known and not (len(path) == 1 and sections_of(model).get(path[0], ()) is None):
            near = nearest(name.removeprefix(PREFIX), [v.removeprefix(PREFIX) for v in variables(model)])
            hint = f"Did you mean `{PREFIX}{near}`?" if near else "A variable is HEADRACE_SECTION__NAME."
            given.wrong.append(f"{name}: there is no such setting. {hint}")
            continue
        target = given.values.setdefault(path[0], {}) if len(path) == 2 else given.values
        if isinstance(target, dict):
            target[path[-1]] = env[name]
            given.places[path] = name
    return given


def sections_of(model: type[BaseModel]) -> dict[str, tuple[str, ...] | None]:
    """The keys of each section; None for a setting outside of sections."""
    found: dict[str, tuple[str, ...] | None] = {}
    for name, info in model.model_fields.items():
        if info.exclude:
            continue
        inner = info.annotation
        is_section = isinstance(inner, type) and issubclass(inner, BaseModel)
        found[name] = tuple(inner.model_fields) if is_section else None  # type: ignore[union-attr]
    return found


def variables(model: type[BaseModel]) -> Iterator[str]:
    """Every variable that is read."""
    for section, keys in sections_of(model).items():
        if keys is None:
            yield f"{PREFIX}{section.upper()}"
        for key in keys or ():
            yield f"{PREFIX}{section.upper()}__{key.upper()}"


def _read(file: Path, told: str, given: Given, sections: Mapping[str, tuple[str, ...] | None]) -> None:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{told} is not TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"{told} cannot be read: {error.strerror}") from None
    for name, value in table.items():
        if name not in sections:
            what = f"[{name}]" if isinstance(value, dict) else f"`{name}`"
            within = [s for s, keys in sections.items() if keys and name in keys]
            hint = f"Did you mean `{name}` in [{within[0]}]?" if within else did_you_mean(name, sections)
            hint = hint or f"It takes {', '.join(sections)}."
            given.wrong.append(f"{told}: there is no {what}. {hint}")
        elif (keys := sections[name]) is None:
            given.values[name] = value
            given.places[(name,)] = f"{told}: `{name}`"
        elif not isinstance(value, dict):
            given.wrong.append(f"{told}: `{name}` is a section. Write [{name}] and its keys below.")
        else:
            for key, inner in value.items():
                if key in keys:
                    given.values.setdefault(name, {})[key] = inner
                    given.places[(name, key)] = f"{told}: [{name}] `{key}`"
                    continue
                hint = did_you_mean(key, keys) or f"It takes {', '.join(keys)}."
                given.wrong.append(f"{told}: [{name}] has no key `{key}`. {hint}")


def validated(model: type[M], given: Given) -> M:
    """The model of what was given. SettingsError with everything that is wrong, one on each line."""
    wrong = list(given.wrong)
    made: M | None = None
    try:
        made = model.model_validate(given.values)
    except ValidationError as error:
        told = set()
        for one in error.errors(include_url=False, include_context=True):
            path = tuple(str(part) for part in one["loc"][:2])
            place = given.places.get(path) or given.places.get(path[:1]) or ".".join(path)
            if path not in told:
                wrong.append(f"{place}: {_words(one, secret=_is_secret(model, path))}")
            told.add(path)
    if wrong:
        raise SettingsError("\n".join(wrong))
    assert made is not None
    return made


def _words(error: Any, *, secret: bool) -> str:
    """What is wrong with a value, in a sentence; the value itself unless it is a secret."""
    context, kind, got = error.get("ctx", {}), error["type"], error["input"]
    if kind == "value_error":
        return f"{context['error']}"
    expected = {
        "literal_error": f"expected {context.get('expected')}",
        "string_pattern_mismatch": "expected a letter, then at most 62 letters, digits or underscores",
        "bool_parsing": "expected true or false",
        "bool_type": "expected true or false",
        "int_parsing": "expected a whole number",
        "int_type": "expected a whole number",
        "string_type": "expected a text",
        "greater_than_equal": f"expected {context.get('ge')} or more",
        "less_than_equal": f"expected {context.get('le')} or less",
    }.get(kind, error["msg"].lower())
    return expected if secret else f"{expected}, got {got!r}"


def _is_secret(model: type[BaseModel], path: tuple[str, ...]) -> bool:
    """Whether a setting holds something that must not be shown, an address with a password included."""
    info = model.model_fields.get(path[0])
    inner = info.annotation if info else None
    if len(path) < 2 or not (isinstance(inner, type) and issubclass(inner, BaseModel)):
        return False
    found = inner.model_fields.get(path[1])
    return found is not None and _mentions_secret(found.annotation)


def _mentions_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_mentions_secret(a) for a in get_args(annotation))
