"""Testing definitions in memory: no broker, no clock, no files.

run = headrace.testing.run(view, now="2026-01-01T00:00:00Z")
run.push([{"customer_id": 7, "paid_at": "2026-01-01T00:00:00Z", "amount": 12.5}])
run.advance("1h")
assert run.online({"customer_id": 7}) == {"spend_48h": 12.5}
"""

from headrace.expressions.evaluate import evaluate
from headrace.testing.running import Run, run

__all__ = ["Run", "evaluate", "run"]
