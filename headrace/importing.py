"""Running a config folder's Python files, each once, and telling what stopped one.

Owns the temporary place that these files have among Python's modules: while a load lasts, `features.payments`
is `config/features/payments.py`, so that files may import each other; afterwards no trace is left, and the next
load runs everything anew. Knows nothing of definitions.
"""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

from headrace.declaring import told_file
from headrace.errors import DefinitionError, Place, did_you_mean

_one_at_a_time = threading.RLock()


class _FailedError(ImportError):
    """A file that another one imports has failed; its own mistake is told already."""


class Files(MetaPathFinder, Loader):
    """The Python files of one config folder, as importable modules."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mistakes: list[DefinitionError] = []
        self.failed: set[str] = set()
        self.modules: dict[str, types.ModuleType] = {}

    def run(self, file: Path) -> None:
        """Import one file under its dotted name; what is wrong with it goes to `mistakes`."""
        try:
            importlib.import_module(dotted(file, self.root))
        except _FailedError:
            pass
        except ImportError as error:  # a folder on the way has a name that cannot be imported
            self._tell(file, error)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """The file or folder of a dotted name, if this config folder has one."""
        place = self.root.joinpath(*fullname.split("."))
        file = place.with_name(place.name + ".py")
        if place.is_dir():
            init = place / "__init__.py"
            spec = ModuleSpec(fullname, self, origin=str(init) if init.is_file() else None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        return ModuleSpec(fullname, self, origin=str(file)) if file.is_file() else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Python's own kind of module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the file. Nothing is cached: neither bytecode nor, after the load, the module."""
        origin = module.__spec__.origin if module.__spec__ else None
        if origin is None:
            return
        if origin in self.failed:
            raise _FailedError(module.__name__)
        module.__file__ = origin
        self.modules[module.__name__] = module
        try:
            exec(compile(Path(origin).read_bytes(), origin, "exec", dont_inherit=True), module.__dict__)
        except _FailedError:
            self.failed.add(origin)
            raise
        except (Exception, SystemExit) as error:
            self.failed.add(origin)
            self._tell(Path(origin), error)
            raise _FailedError(module.__name__) from None

    def _tell(self, file: Path, error: BaseException) -> None:
        if isinstance(error, DefinitionError):
            self.mistakes.append(error.located(place=self._place(file, error)))
            return
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        if isinstance(error, ImportError) and error.path:
            text = text.removesuffix(f" ({error.path})")  # Python adds whose file it is: the place says that
        what = "SyntaxError" if isinstance(error, SyntaxError) else type(error).__name__
        self.mistakes.append(
            DefinitionError(
                f"the file does not run: {what}" + (f": {text}" if text else ""),
                hint=self._hint(error),
                place=self._place(file, error),
            )
        )

    def _place(self, file: Path, error: BaseException) -> Place:
        """Where it went wrong: the innermost line inside the config folder."""
        if isinstance(error, SyntaxError) and error.filename == str(file):
            return Place(told_file(str(file), self.root), error.lineno)
        found = Place(told_file(str(file), self.root))
        at = error.__traceback__
        while at is not None:
            name = at.tb_frame.f_code.co_filename
            if Path(name).is_absolute() and Path(name).is_relative_to(self.root):
                found = Place(told_file(name, self.root), at.tb_lineno)
            at = at.tb_next
        return found

    def _hint(self, error: BaseException) -> str | None:
        if isinstance(error, NameError) and error.name:
            return did_you_mean(error.name, _names(error)) or "Define it above, or import it."
        if isinstance(error, ImportError | AttributeError) and "partially initialized" in str(error):
            return (
                "Two files import each other: put what both need into a third. Views that read each other are a "
                "cycle: one of them has to read a stream."
            )
        if isinstance(error, ModuleNotFoundError) and error.name:
            there = [dotted(f, self.root) for f in sorted(self.root.rglob("*.py"))]
            ends = [m for m in there if m.endswith("." + error.name)]
            return f"Did you mean `{ends[0]}`?" if ends else did_you_mean(error.name, there)
        return None


def _names(error: BaseException) -> list[str]:
    """The names that were known where an error happened."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return [] if at is None else [n for n in at.tb_frame.f_globals if not n.startswith("_")]


def dotted(file: Path, root: Path) -> str:
    """The name under which a file is imported: ``features.payments``; a folder's for its ``__init__.py``."""
    inside = file.relative_to(root).with_suffix("")
    return ".".join((inside.parent if inside.name == "__init__" else inside).parts)


class _Last(MetaPathFinder):
    """The config folder's other files, found only where nothing else has the name."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        return None if fullname.split(".")[0] == "features" else self.files.find_spec(fullname, path)


class _First(_Last):
    """`features` is the config folder's own, whatever else is installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        return self.files.find_spec(fullname, path) if fullname.split(".")[0] == "features" else None


@contextmanager
def importable(root: Path) -> Iterator[Files]:
    """A config folder's files as modules, for as long as this lasts; one folder at a time in a process."""
    with _one_at_a_time:
        files = Files(root)
        before = {k: m for k, m in sys.modules.items() if k.split(".")[0] == "features"}
        for name in before:
            del sys.modules[name]
        finders = (_First(files), _Last(files))
        sys.meta_path.insert(0, finders[0])
        sys.meta_path.append(finders[1])
        try:
            yield files
        finally:
            for finder in finders:
                sys.meta_path.remove(finder)
            ours = [k for k, m in sys.modules.items() if getattr(m, "__loader__", None) is files]
            for name in ours:
                del sys.modules[name]
            sys.modules.update(before)
