"""What the pages say is true: their Python runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis
import typer.main

from app.demo.flights import flights
from app.embedded.redis import EmbeddedRedis
from headrace.cli.verbs import app
from headrace.loading import load

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(pages: list[str], *languages: str) -> list[Block]:
    found = []
    for page in pages:
        text = (ROOT / page).read_text()
        for match in FENCE.finditer(text):
            if match[1] in languages:
                line = text[: match.start()].count("\n") + 2
                found.append(Block(page, line, match[2]))
    return found


def commands() -> list[tuple[str, str]]:
    """(page, command) of every `headrace` or `make` command in shell blocks and in code spans of the README."""
    out = [
        (str(block), line.split("#")[0].strip())
        for block in blocks(["README.md", "CONTRIBUTING.md"], "sh")
        for line in block.text.splitlines()
    ]
    spans = FENCE.sub("", (ROOT / "README.md").read_text())
    out += [("README.md", span) for span in re.findall(r"`((?:headrace|make) [^`]+)`", spans)]
    return [(page, c) for page, c in out if re.search(r"(^| )(headrace|make) ", c)]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as started, redis.Redis.from_url(started.url) as client:
        client.hset("flights:aircraft_usage@1:N14228", mapping={"flights_24h": "2", "avg_delay_7d": "12.5"})
        yield started


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory as the README means it: the example's schema, and a history."""
    schemas = ROOT / "headrace" / "cli" / "example" / "schemas"
    (tmp_path / "config" / "features").mkdir(parents=True)
    (tmp_path / "config" / "schemas").symlink_to(schemas, target_is_directory=True)
    flights(50).with_columns(_date=pl.lit(datetime(2013, 1, 1, tzinfo=UTC).date())).write_delta(
        tmp_path / "data/history/flights/sources/flights"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", blocks(PAGES, "python"), ids=str)
def test_every_python_block_runs(block: Block, home: Path, server: EmbeddedRedis) -> None:
    text = block.text.replace("port=6379", f"port={server.port}")
    file = home / "config" / "features" / "page.py"
    file.write_text(text)
    names: dict[str, Any] = {}
    exec(compile(text, str(file), "exec", dont_inherit=True), names)
    if "features" in names:
        assert names["features"] == {"flights_24h": "2", "avg_delay_7d": "12.5"}
        assert names["late"] == 12.5


def test_the_definition_of_the_readme_loads_as_a_project(home: Path) -> None:
    definition = next(b for b in blocks(["README.md"], "python") if "customer_spend" in b.text)
    lines = [line for line in definition.text.splitlines() if line.strip() and not line.startswith("import")]
    assert len(lines) <= 15
    (home / "config" / "features" / "spend.py").write_text(definition.text)
    types = load(home / "config").plan("customer_spend").feature_types
    assert {name: str(t) for name, t in types.items()} == {
        "spend_48h": "Float64",
        "payments_1h": "Int64",
        "abroad_share_24h": "Float64",
        "last_country": "String",
    }


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_exists(page: str, command: str) -> None:
    words = shlex.split(command)
    while "=" in words[0]:
        words.pop(0)
    if words[0] == "make":
        listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert re.search(rf"\bmake {words[1]}\b", listed), page
        return
    assert words[0] == "headrace", page
    verb: Any = typer.main.get_command(app)
    for word in words[1:]:
        if not hasattr(verb, "commands"):
            break
        assert word in verb.commands, f"{page}: {command}"
        verb = verb.commands[word]
    known = {option for parameter in verb.params for option in parameter.opts}
    assert {w for w in words if w.startswith("--")} <= known, f"{page}: {command}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    broken = [t for t in targets if "://" not in t and not (ROOT / page).parent.joinpath(t).exists()]
    assert broken == []


def test_every_setting_of_the_default_project_is_known() -> None:
    told = (ROOT / "config" / "headrace.toml").read_text()
    uncommented = re.sub(r"^# (\w+ = )", r"\1", told, flags=re.MULTILINE)
    from headrace.settings import Settings

    section, unknown = "", []
    for line in uncommented.splitlines():
        if match := re.match(r"\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r"(\w+) = ", line):
            model = Settings.model_fields[section].annotation if section else Settings
            if match[1] not in model.model_fields:  # type: ignore[union-attr]
                unknown.append(f"{section}.{match[1]}")
    assert unknown == []
