"""The definitions that the workloads run, as config folders."""

from __future__ import annotations

from pathlib import Path

from bench.topics import Shape

HEAD = """
import headrace as hr
from bench.events import PADDED, SCHEMA

user = hr.Entity("user", keys={{"user_id": hr.String}})
merchant = hr.Entity("merchant", keys={{"merchant_id": hr.String}})
pair = hr.Entity("pair", keys={{"user_id": hr.String, "merchant_id": hr.String}})
source = hr.StreamSource(
    "txn", topics=["{topic}"], schema={schema}, {how} key="user_id", timestamp="ts", start="earliest", lateness="1m"
)


def four(column, over):
    return {{
        "count": hr.count(over=over), "sum": hr.sum(column, over=over),
        "min": hr.min(column, over=over), "max": hr.max(column, over=over),
    }}

"""

ONE = 'hr_view = hr.FeatureView("{name}", entity=user, source=source, features={features})'

W3 = """
windows = {"m": "1m", "q": "15m", "h": "1h", "d": "1d", "l": "30d"}
columns = {
    "net": "case when is_online then amount * 0.98 else amount end",
    "kind": "case when amount > 200 then 'large' when amount > 50 then 'medium' else 'small' end",
    "domestic": "country in ('DE', 'AT', 'CH')",
    "device_or_none": "coalesce(device, 'none')",
    "label": "upper(concat(substring(merchant_id, 1, 3), '-', currency))",
    "night": "hour(timestamp_millis(ts)) < 6",
}


def twenty():
    out = {}
    for name, over in windows.items():
        rolling = hr.tumbling("1m") if name == "m" else hr.rolling(over)
        out[f"{name}_count"] = hr.count(over=rolling)
        out[f"{name}_sum"] = hr.sum("net", over=rolling)
        out[f"{name}_max"] = hr.max("net", over=rolling)
        out[f"{name}_large"] = hr.count_if("kind = 'large' and domestic and not night", over=rolling)
    return out


by_user = hr.FeatureView("w3_user", entity=user, source=source, where="amount > 1", columns=columns, features=twenty())
by_merchant = hr.FeatureView(
    "w3_merchant", entity=merchant, source=source, where="amount > 1 and device_or_none <> 'web'", columns=columns,
    features=twenty(),
)
by_pair = hr.FeatureView(
    "w3_pair", entity=pair, source=source, where="amount > 1 and label is not null", columns=columns, features=twenty(),
)
"""

VIEWS = {
    "w1": ONE.format(name="w1", features='four("amount", hr.tumbling("60s"))'),
    "w1x3": """
windows = {"m": hr.tumbling("60s"), "h": hr.rolling("1h"), "d": hr.rolling("24h")}
hr_view = hr.FeatureView(
    "w1x3", entity=user, source=source, columns={"cents": "amount * 100"},
    features={f"{w}_{n}": a for w, over in windows.items() for n, a in four("cents", over).items()},
)
""",
    "w2": ONE.format(name="w2", features='four("amount", hr.rolling("1h", step="1m"))'),
    "w3": W3,
    "memory": ONE.format(
        name="memory",
        features='{f"{n}_{w}": a for w in ("1h", "24h") for n, a in four("amount", hr.rolling(w)).items()}',
    ),
}


def views(count: int) -> str:
    """So many views of four features each, 60 s tumbling."""
    return (
        f"for i in range({count}):\n"
        '    globals()[f"view{i}"] = hr.FeatureView(\n'
        '        f"v{i}", entity=user, source=source, features=four("amount", hr.tumbling("60s"))\n'
        "    )\n"
    )


def features(count: int) -> str:
    """One view of so many sums of distinct expressions over one window, 60 s tumbling."""
    return ONE.format(
        name="w",
        features=f'{{f"s{{i}}": hr.sum(f"amount + {{i}}", over=hr.tumbling("60s")) for i in range({count})}}',
    )


def windows(count: int) -> str:
    """One view of `count` and `sum` over so many rolling windows: 10 min, 20 min and so on, in steps of a minute."""
    return ONE.format(
        name="w",
        features=f'{{f"{{n}}{{i}}": a for i in range({count}) '
        'for n, a in four("amount", hr.rolling(f"{10 * (i + 1)}m", step="1m")).items() if n in ("count", "sum")}',
    )


def length(over: str) -> str:
    """One view of four aggregates over a rolling window of this length."""
    return ONE.format(name="w", features=f'four("amount", hr.rolling("{over}"))')


def write(folder: Path, view: str, topic: str, project: str, shape: Shape | None = None) -> Path:
    """A config folder for a view of VIEWS, or for a text that defines views; returns it."""
    shape = shape or Shape()
    config = folder / "config"
    (config / "features").mkdir(parents=True)
    (config / "headrace.toml").write_text(f'project = "{project}"\n')
    schema = "PADDED" if shape.pad or shape.framing == "two schemas" else "SCHEMA"
    how = {"none": "", "two schemas": 'framing="registry",', "json": 'format="json",'}[shape.framing]
    text = HEAD.format(topic=topic, schema=schema, how=how) + VIEWS.get(view, view) + "\n"
    (config / "features" / "bench.py").write_text(text)
    return config
