"""The public surface is what `tests/cases/public_surface.txt` says: every name, signature, attribute and method.

A change there is a change for users: make it in the file too, and in the changelog.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import headrace as hr
from headrace.configuring import variables

FROZEN = Path(__file__).parent / "cases" / "public_surface.txt"


def signature(value: object) -> str:
    """A signature without its result; annotations as they are written."""
    if inspect.isclass(value) and issubclass(value, Exception) and "__init__" not in vars(value):
        return f"({value.__base__.__name__})"  # raised by us, caught by users: only its place in the tree matters
    text = str(inspect.signature(value).replace(return_annotation=inspect.Signature.empty))  # type: ignore[arg-type]
    return text.replace("'", "")


def surface() -> Iterator[str]:
    """One line for each public name, and indented ones for what a class has."""
    for name in sorted(hr.__all__):
        value = getattr(hr, name)
        if inspect.ismodule(value):
            yield f"{name}: module {', '.join(sorted(value.__all__))}"
        elif inspect.isclass(value) and issubclass(value, BaseModel):
            yield f"{name}: settings {', '.join(variables(value))}"
        elif inspect.isclass(value):
            yield f"{name}: class{signature(value)}"
            yield from (f"    {line}" for line in members(value))
        elif callable(value):
            yield f"{name}: function{signature(value)}"
        else:
            yield f"{name}: {type(value).__name__}"


def members(cls: type) -> Iterator[str]:
    """The public methods and attributes that a class of ours adds to what Python's and pydantic's have."""
    ours = [c for c in cls.__mro__ if c.__module__.startswith("headrace")]
    for name in sorted({n for c in ours for n in vars(c)} - {"model_config", "model_post_init"}):
        if name.startswith("_"):
            continue
        value = inspect.getattr_static(cls, name)
        plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        yield f".{name}{signature(plain)}" if inspect.isfunction(plain) else f".{name}"


def test_the_public_surface_is_frozen() -> None:
    assert list(surface()) == FROZEN.read_text("utf-8").splitlines()


def test_every_public_name_says_what_it_is() -> None:
    undocumented = [n for n in hr.__all__ if callable(v := getattr(hr, n)) and not inspect.getdoc(v)]
    assert undocumented == []


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'FeatureVew'. Did you mean `FeatureView`"):
        _ = hr.FeatureVew


def test_the_names_are_listed_for_completion() -> None:
    assert set(hr.__all__) <= set(dir(hr))


def test_importing_headrace_loads_nothing_heavy() -> None:
    script = (
        "import sys; before = set(sys.modules); import headrace;"
        "print(sorted(m for m in set(sys.modules) - before if not m.startswith('headrace')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.strip("[]\n").replace("'", "").split(", "))
    assert not loaded & {"polars", "pyarrow", "numpy", "redis", "deltalake", "sqlglot", "pydantic", "faust"}


def test_definitions_need_no_client_of_any_store() -> None:
    script = (
        "import sys; import headrace as hr; hr.Entity('e', keys={'id': hr.Int64}); hr.FeatureView; hr.load;"
        "print([m for m in ('redis', 'deltalake', 's3fs', 'faust', 'aiokafka', 'confluent_kafka', 'rocksdict')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
