"""What to try next, as commands that work as they are printed, while the demo runs."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from app.demo.children import headrace
from app.demo.shown import Shown
from headrace.cli.typed import DEFAULT_CONFIG
from headrace.online.address import parse_address


def hints(
    bootstrap: str, redis_url: str, history: Path, views: Sequence[Shown], config: Path
) -> list[tuple[str, str]]:
    """(what for, the command), for a shell in the working directory."""
    where = "" if config == DEFAULT_CONFIG else f" --config {shlex.quote(str(config))}"
    view = views[0]
    key, name = view.keys[0], view.redis_keys[0]
    ours = f"HEADRACE_REDIS__URL={redis_url} {_headrace()}"
    both = f"HEADRACE_KAFKA__BOOTSTRAP={bootstrap} {ours}"
    out = [("features", f"{ours} get {view.plan.view.name} {shlex.quote(key)}{where} --watch")]
    out += [
        ("several keys", f"{ours} get {v.plan.view.name} {shlex.quote(v.keys[0])}{where}")
        for v in views
        if "|" in v.keys[0]
    ][:1]
    out.append(("lag", f"{both} status{where}"))
    port = parse_address(redis_url).port
    client = next((c for c in ("redis-cli", "valkey-cli") if shutil.which(c)), None)
    if client:
        out.append(("Redis", f"{client} -p {port} HGETALL {shlex.quote(name)}"))
    read = f"import redis; print(redis.Redis(port={port}, decode_responses=True).hgetall({json.dumps(name)}))"
    out.append(("from Python", f"{_python()} -c {shlex.quote(read)}"))
    out.append(("history, some seconds from now", f"{_python()} -c {shlex.quote(_query(_short(history)))}"))
    return out


def _query(table: str) -> str:
    """One statement over the history table, with what is installed; no extension is fetched."""
    opened = f"from deltalake import DeltaTable; flights = DeltaTable({table!r}).to_pyarrow_dataset(); "
    if importlib.util.find_spec("duckdb"):
        sql = "select origin, count(*) flights, avg(dep_delay) delay from flights group by all order by all"
        return f"{opened}import duckdb; print(duckdb.sql({sql!r}))".replace("'", '"')
    return (
        f'import polars as pl; print(pl.scan_delta("{table}")'
        '.group_by("origin").agg(pl.len(), pl.mean("dep_delay")).collect())'
    )


def _headrace() -> str:
    command = headrace()
    return (
        "headrace"
        if _on_path("headrace", command[0])
        else shlex.join([_short(Path(command[0])), *command[1:]])
    )


def _python() -> str:
    return "python" if _on_path("python", sys.executable) else _short(Path(sys.executable))


def _on_path(name: str, wanted: str) -> bool:
    found = shutil.which(name)
    return found is not None and Path(found).absolute() == Path(wanted).absolute()


def _short(path: Path) -> str:
    """The path from here, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
