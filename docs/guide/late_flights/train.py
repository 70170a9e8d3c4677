"""Will a flight leave more than 15 minutes late? A model from what was known an hour before it should leave.

    python docs/guide/late_flights/train.py          # after `headrace demo --events 336776 --exit`, say, kept flights

Needs scikit-learn. The test tests/integration/test_late_flights.py runs it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import headrace as hr

HOUR = timedelta(hours=1)


def spine_of(flights: pl.DataFrame) -> pl.DataFrame:
    """One row a flight that left: its keys, the instant at which it is asked for, and whether it was late."""
    left = flights.filter(pl.col("dep_delay").is_not_null())
    return left.select(
        "tailnum",
        "origin",
        "carrier",
        "dest",
        timestamp=pl.col("scheduled_at") - HOUR,
        late=pl.col("dep_delay") > 15,
    )


def trained(
    training: pl.DataFrame, features: list[str], until: datetime
) -> tuple[HistGradientBoostingClassifier, float]:
    """A model of the rows before `until`, and how well it ranks those after (area under the ROC curve)."""
    past, future = (
        training.filter(side) for side in (pl.col("timestamp") < until, pl.col("timestamp") >= until)
    )
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    model.fit(inputs(past, features), past["late"].to_numpy())
    chance = model.predict_proba(inputs(future, features))[:, 1]
    return model, float(roc_auc_score(future["late"].to_numpy(), chance))


def inputs(rows: pl.DataFrame, features: list[str]) -> object:
    """The features as numbers; null is a value of its own to the model."""
    return rows.select(pl.col(features).cast(pl.Float64).fill_null(float("nan"))).to_numpy()


def main(config: Path, flights: pl.DataFrame, until: datetime) -> tuple[pl.DataFrame, float]:
    """The training set and the model's score."""
    with hr.FeatureStore(config) as store:
        training = store.training_set(spine_of(flights), "lateness")
        print(
            f"{training.height:,} flights, history at version {training.metadata['sources']['flights']['version']}"
        )
        _, score = trained(training, list(training.metadata["features"]), until)
    print(f"area under the ROC curve: {score:.3f}")
    return training, score


if __name__ == "__main__":
    from app.demo.flights import flights as every_flight

    main(Path(__file__).parent / "config", every_flight(), datetime(2013, 10, 1, tzinfo=UTC))
