"""`make plots`: draws bench/reports/growth.json as docs/plots/growth.svg, with matplotlib of the extra `bench`."""

from __future__ import annotations

import json
import sys

from bench.reports import REPORTS, ROOT

OUT = ROOT / "docs" / "plots" / "growth.svg"


def main() -> int:
    import matplotlib  # type: ignore[import-not-found,unused-ignore]

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "headrace"  # equal data gives an equal file
    from matplotlib import pyplot

    data = json.loads((REPORTS / "growth.json").read_text())["data"]
    across = 3
    down = -(-len(data) // across)
    figure, places = pyplot.subplots(down, across, figsize=(4 * across, 2.6 * down), squeeze=False)
    for place in places.flat[len(data) :]:
        place.set_visible(False)
    for place, axis in zip(places.flat, data.values(), strict=False):
        labels, costs = zip(*((p["label"], p["us"]) for p in axis["points"]), strict=True)
        place.plot(range(len(labels)), costs, marker="o", color="#20639b")
        place.set_xticks(range(len(labels)), labels, fontsize=8)
        place.set_ylim(bottom=0)
        place.set_title(axis["title"], fontsize=9)
        place.set_ylabel("us of CPU an event", fontsize=8)
        place.grid(alpha=0.3)
    figure.tight_layout()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT, metadata={"Date": None})
    print(OUT.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
