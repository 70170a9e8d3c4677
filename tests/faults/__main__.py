"""`python -m tests.faults`: play faults, print their table, and keep a line for each in a file.

Exit code 1 if a promise was broken, 2 if no fault is called so. `make faults SEEDS=20 FAULT=zombie` is the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.faults.families import FAULTS, chosen
from tests.faults.fault import Fault
from tests.faults.play import play
from tests.faults.results import append, load, markdown, shown
from tests.stack.cache import CHECKOUT, cache_root
from tests.stack.whole import Addresses, Stack, running

PAGE = CHECKOUT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->\n"


def main() -> int:
    """Run it."""
    given = _arguments()
    if given.table:
        return _table(given.results)
    faults = chosen(given.fault)
    if not faults:
        print(
            f"no fault is called {given.fault!r}; they are:",
            *(f.id for f in FAULTS),
            sep="\n  ",
            file=sys.stderr,
        )
        return 2
    if given.list:
        print(*(f.id for f in faults), sep="\n")
        return 0
    console = Console()
    if not given.resume:
        given.results.unlink(missing_ok=True)
    done = {r.key for r in load(given.results) if r.ok}
    # Seed by seed, so that a run that is stopped has seen every fault.
    wanted = [
        (f, s) for s in range(given.first, given.first + given.seeds) for f in faults if f.pending is None
    ]
    left = [(f, s) for f, s in wanted if (f.family, f.name, s) not in done]
    console.print(f"{len(left)} of {len(wanted)} to play; results in {given.results}")
    _play_all(left, given, console)
    results = [r for r in load(given.results) if (r.family, r.name) in {(f.family, f.name) for f in faults}]
    console.print(shown(faults, results))
    return 0 if all(r.ok for r in results) else 1


def _play_all(left: list[tuple[Fault, int]], given: argparse.Namespace, console: Console) -> None:
    results: Path = given.results
    if not left:
        return
    with _components() as addresses:
        if addresses.missing:
            raise SystemExit(f"components are missing: {addresses.missing}")
        for number, (fault, seed) in enumerate(left, 1):
            result = play(fault, seed, addresses, keep=results.parent / "logs", always=given.keep_logs)
            append(results, result)
            word = "[green]holds[/]" if result.ok else "[bold red]BROKEN[/]"
            after = "" if result.right_after is None else f", right after {result.right_after:.1f} s"
            console.print(
                f"{number}/{len(left)} {fault.id} seed {seed}: {word}, {result.sent} events, "
                f"stall {result.stall:.1f} s{after}, took {result.seconds:.0f} s"
            )
            for problem in result.problems:
                console.print(problem, markup=False, highlight=False)


@contextmanager
def _components() -> Iterator[Addresses]:
    """Those of `make stack` if it is up, else our own for the time of the run."""
    found = running()
    if found is not None:
        yield found[0]
        return
    with tempfile.TemporaryDirectory(prefix="headrace-faults-") as folder, Stack(Path(folder)) as stack:
        yield stack.addresses


def _table(results: Path) -> int:
    """Put the table into docs/reliability.md, between its two marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    found = load(results)
    commits = ", ".join(sorted({r.commit for r in found}))
    table = markdown(FAULTS, found)
    PAGE.write_text(f"{before}{BEGIN}{table}\n{len(found)} scenes, at {commits}.\n{END}{after}")
    print(f"{PAGE}: {len(found)} scenes")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds for each fault")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--fault", help="only faults whose `family / name` contains this")
    parser.add_argument("--resume", action="store_true", help="leave out what the results have and holds")
    parser.add_argument("--results", type=Path, default=cache_root() / "faults" / "results.jsonl")
    parser.add_argument(
        "--keep-logs", action="store_true", help="keep the logs of every scene, not of broken ones alone"
    )
    parser.add_argument("--list", action="store_true", help="name the faults and do nothing")
    parser.add_argument("--table", action="store_true", help="render the results into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
