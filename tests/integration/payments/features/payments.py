"""Payments, and the views that the tests of the flow compare with a recomputation (see `tests.integration.views`)."""

import pandas as pd
import polars as pl

import headrace as hr

user = hr.Entity("user", keys={"user_id": hr.Int64})
merchant = hr.Entity("merchant", keys={"merchant": hr.String})
pair = hr.Entity("pair", keys={"user_id": hr.Int64, "merchant": hr.String})
card = hr.Entity("card", keys={"card": hr.String})

payments = hr.StreamSource(
    "payments",
    topics=["payments"],
    schema="schemas/payment.avsc",
    key="user_id",
    timestamp="paid_at",
    lateness="10m",
    start="earliest",
)

by_user = hr.FeatureView(
    "by_user",
    entity=user,
    source=payments,
    where="status = 'settled'",
    columns={"eur": "amount * coalesce(fx, 1.0)", "large": "eur > 50"},
    features={
        "last_merchant": "merchant",
        "first_cents": hr.first("cents", over=hr.lifetime()),
        "spend_24h": hr.sum("eur", over="24h"),
        "payments_5m": hr.count(over="5m"),
        "payments_1h": hr.count(over=hr.tumbling("1h")),
        "payments_closed_1h": hr.count(over=hr.tumbling("1h", closed=True)),
        "cents_2h": hr.sum("cents", over=hr.hopping("2h", "30m")),
        "large_7d": hr.count(where="large", over="7d"),
        "highest_24h": hr.max("cents", over="24h"),
        "lowest_24h": hr.min("cents", over="24h"),
        "spread_ever": hr.stddev("amount", over=hr.lifetime()),
        "mean_ever": hr.avg("eur", over=hr.lifetime()),
        "large_share_24h": hr.ratio(hr.count_if("large", over="24h"), hr.count(over="24h")),
        "any_large_24h": hr.any("large", over="24h"),
        "payments_ever": hr.count(over=hr.lifetime()),
    },
)

by_merchant = hr.FeatureView(
    "by_merchant",
    version=2,
    entity=merchant,
    source=payments,
    features={
        "takings_24h": hr.sum("cents", over="24h"),
        "failed_6h": hr.count(where="status = 'failed'", over="6h"),
        "payments_closed_1h": hr.count(over=hr.hopping("1h", "30m", closed=True)),
        "last_user": hr.latest("user_id"),
        "takings_ever": hr.sum("cents", over=hr.lifetime()),
        "payments_ever": hr.count(over=hr.lifetime()),
    },
)

by_pair = hr.FeatureView(
    "by_pair",
    entity=pair,
    source=payments,
    granularity="10m",
    features={
        "cents_12h": hr.sum("cents", over="12h"),
        "payments_ever": hr.count(over=hr.lifetime()),
    },
    ttl="36h",
)


def with_band(frame: pl.DataFrame) -> pl.DataFrame:
    """Drops what failed; names a band."""
    big = pl.col("cents") >= 5_000
    return frame.filter(pl.col("status") != "failed").with_columns(
        pl.when(big).then(pl.lit("big")).otherwise(pl.lit("small")).alias("band")
    )


by_card = hr.FeatureView(
    "by_card",
    entity=card,
    source=payments,
    transform=hr.transform(with_band, adds={"band": hr.String}),
    features={
        "last_band": "band",
        "big_24h": hr.count(where="band = 'big'", over="24h"),
        "payments_ever": hr.count(over=hr.lifetime()),
    },
)


def with_double(frame: pd.DataFrame) -> pd.DataFrame:
    """The same in pandas."""
    return frame.assign(double=frame["cents"] * 2)


by_user_in_pandas = hr.FeatureView(
    "by_user_in_pandas",
    entity=user,
    source=payments,
    transform=hr.transform(with_double, adds={"double": hr.Int64}),
    features={
        "double_24h": hr.sum("double", over="24h"),
        "double_ever": hr.sum("double", over=hr.lifetime()),
    },
)
