"""`make plots`: draws bench/reports/growth.json as docs/plots/growth.svg, with matplotlib of the extra `bench`.

A panel an axis: cost up, from zero; the dashed line is W1 in the same quarter of an hour.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from bench import reports
from bench.growth_axes import AXES, Axis

OUT = reports.ROOT / "docs" / "plots" / "growth.svg"
ACROSS = 2
CROWDED = 0.05
"""Points that are closer than this share of an axis have one figure."""
BLUE, GREY = "#20639b", "#777777"


def main() -> int:
    import matplotlib  # type: ignore[import-not-found,unused-ignore]

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "headrace"  # equal data gives an equal file
    from matplotlib import pyplot

    data = reports.earlier("growth")
    if not data:
        print("plots: no bench/reports/growth.json: run `python -m bench.growth` first", file=sys.stderr)
        return 1
    names = [name for name in AXES if name in data]
    down = -(-len(names) // ACROSS)
    figure, places = pyplot.subplots(
        down, ACROSS, figsize=(5.6 * ACROSS, 3.2 * down), squeeze=False, facecolor="white"
    )
    for place in places.flat[len(names) :]:
        place.set_visible(False)
    for place, name in zip(places.flat, names, strict=False):
        draw(place, AXES[name], data[name])
    figure.tight_layout()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT, metadata={"Date": None})
    print(OUT.relative_to(reports.ROOT))
    return 0


def draw(place: Any, axis: Axis, found: Mapping[str, Any]) -> None:
    """One panel. `place` is matplotlib's."""
    measured = [p for p in found["points"] if "us" in p]
    xs, costs = [p["x"] for p in measured], [p["us"] for p in measured]
    if axis.scale == "names":
        place.bar(xs, costs, width=0.5, color=BLUE)
    else:
        place.plot(xs, costs, marker="o", color=BLUE)
        place.set_xscale(axis.scale)
    if axis.scale != "linear":
        place.minorticks_off()
        place.set_xticks(xs, [p["label"] for p in measured])
    for before, x, cost in zip([-float("inf"), *xs], xs, costs, strict=False):
        if axis.scale != "linear" or x - before > CROWDED * xs[-1]:
            text = f"{cost:.1f}" if cost < 100 else f"{cost:.0f}"
            place.annotate(text, (x, cost), (0, 5), textcoords="offset points", ha="center", fontsize=8)
    if "us" in found["base"]:
        place.axhline(found["base"]["us"], color=GREY, linestyle="--", linewidth=1, label="W1, a backlog")
        place.legend(fontsize=7, loc="lower right", framealpha=0.6)
    place.set_ylim(0, 1.2 * max([*costs, found["base"].get("us", 0.0)], default=1.0))
    place.tick_params(labelsize=8)
    place.set_title(axis.title, fontsize=10)
    place.set_xlabel(axis.unit, fontsize=8)
    place.set_ylabel("us of CPU an event", fontsize=8)
    place.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(main())
