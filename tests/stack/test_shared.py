"""What the processes of one test run share, and what each has for itself."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.stack.ports import lane
from tests.stack.shared import SharedStack, addresses_in, want
from tests.stack.whole import Addresses


def test_the_others_read_what_was_started_and_what_is_missing(tmp_path: Path) -> None:
    addresses = Addresses(kafka="127.0.0.1:1", missing={"s3": "no Go"})
    file = tmp_path / "addresses.json"
    with pytest.raises(TimeoutError, match="no addresses of components"):
        addresses_in(file, 0)
    file.write_text(json.dumps(dataclasses.asdict(addresses)))
    assert addresses_in(file, 0) == addresses


def test_a_stack_that_cannot_start_is_missing_and_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where no stack is up
    (tmp_path / "stack").write_text("a file, where its folder would be")
    shared = SharedStack(tmp_path)
    want(shared.file)
    shared.launch()
    shared.stop()
    assert addresses_in(shared.file, 0) == shared.addresses
    assert "Not a directory" in shared.addresses.missing["stack"]


def test_what_nobody_wants_is_not_started(tmp_path: Path) -> None:
    shared = SharedStack(tmp_path)
    shared.launch()
    shared.stop()
    assert list(tmp_path.iterdir()) == []


def test_no_two_processes_draw_the_same_port() -> None:
    lanes = [lane(worker) for worker in ("", "gw0", "gw1", "gw2")]
    assert sum(map(len, lanes)) == len({port for ports in lanes for port in ports})
    assert all(len(ports) == 1_500 for ports in lanes)
