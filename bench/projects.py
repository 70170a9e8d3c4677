"""The definitions that the workloads run, as config folders."""

from __future__ import annotations

from pathlib import Path

HEAD = """
import headrace as hr
from bench.events import SCHEMA

user = hr.Entity("user", keys={{"user_id": hr.String}})
merchant = hr.Entity("merchant", keys={{"merchant_id": hr.String}})
source = hr.StreamSource(
    "txn", topics=["{topic}"], schema=SCHEMA, key="user_id", timestamp="ts", start="earliest", lateness="1m"
)


def four(column, over):
    return {{
        "count": hr.count(over=over), "sum": hr.sum(column, over=over),
        "min": hr.min(column, over=over), "max": hr.max(column, over=over),
    }}

"""

VIEWS = {
    "w1": 'hr_view = hr.FeatureView("w1", entity=user, source=source, features=four("amount", hr.tumbling("60s")))',
    "w1x3": """
windows = {"m": hr.tumbling("60s"), "h": hr.rolling("1h"), "d": hr.rolling("24h")}
hr_view = hr.FeatureView(
    "w1x3", entity=user, source=source, columns={"cents": "amount * 100"},
    features={f"{w}_{n}": a for w, over in windows.items() for n, a in four("cents", over).items()},
)
""",
    "w2": """
hr_view = hr.FeatureView(
    "w2", entity=user, source=source, features=four("amount", hr.rolling("1h", step="1m"))
)
""",
    "memory": """
hr_view = hr.FeatureView(
    "memory", entity=user, source=source,
    features={f"{n}_{w}": a for w in ("1h", "24h") for n, a in four("amount", hr.rolling(w)).items()},
)
""",
}


def write(folder: Path, workload: str, topic: str, project: str) -> Path:
    """A config folder for `workload`; returns it."""
    config = folder / "config"
    (config / "features").mkdir(parents=True)
    (config / "headrace.toml").write_text(f'project = "{project}"\n')
    (config / "features" / "bench.py").write_text(HEAD.format(topic=topic) + VIEWS[workload] + "\n")
    return config
