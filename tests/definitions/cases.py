"""Cases of wrong definitions, as data: Python above, the messages that it gets below.

A file holds cases, each ``=== title``, the body, ``---``, and one line for each expected mistake, as ``str`` of it
without the hint's line break. The body is `features/wrong.py` of a config folder that has a good file beside it;
its first line is `PRELUDE`, so the body begins at line 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "cases" / "definitions"
PRELUDE = "import headrace as hr; from features.good import customer, merchant, payments, spend\n"

GOOD = """
import headrace as hr

customer = hr.Entity("customer", keys={"customer_id": hr.Int64})
merchant = hr.Entity("merchant", keys={"merchant_id": hr.String})
payments = hr.StreamSource(
    "payments", schema="schemas/payment.avsc", key="customer_id", timestamp="paid_at", lateness="5m"
)
spend = hr.FeatureView(
    "spend", entity=customer, source=payments,
    features={"spend_48h": hr.sum("amount", over="48h"), "last_country": "country"},
)
"""

SCHEMA = """{"type": "record", "name": "Payment", "fields": [
  {"name": "payment_id", "type": "string"},
  {"name": "customer_id", "type": "long"},
  {"name": "merchant_id", "type": ["null", "string"]},
  {"name": "amount", "type": "double"},
  {"name": "country", "type": ["null", "string"]},
  {"name": "status", "type": "string"},
  {"name": "tags", "type": {"type": "array", "items": "string"}},
  {"name": "nothing", "type": "null"},
  {"name": "paid_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}
]}"""


@dataclass(frozen=True)
class Case:
    """One case: where it stands, its body and the messages expected."""

    file: str
    title: str
    body: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}: {self.title}"


def cases() -> Iterator[Case]:
    """Every case, in the order of files and of cases in them."""
    for file in sorted(FOLDER.glob("*.txt")):
        for part in file.read_text("utf-8").split("=== ")[1:]:
            title, _, rest = part.partition("\n")
            body, _, expected = rest.partition("\n---\n")
            yield Case(file.stem, title.strip(), body + "\n", expected.strip())


def write_config(folder: Path, body: str) -> Path:
    """A config folder with the good file and `body` as the wrong one."""
    (folder / "features").mkdir(parents=True)
    (folder / "schemas").mkdir()
    (folder / "features" / "good.py").write_text(GOOD, "utf-8")
    (folder / "schemas" / "payment.avsc").write_text(SCHEMA, "utf-8")
    (folder / "features" / "wrong.py").write_text(PRELUDE + body, "utf-8")
    return folder
