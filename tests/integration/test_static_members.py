"""A static member that is started again within its session keeps its partitions, and gets those that are new."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.deployment import Deployment
from tests.integration.polling import until
from tests.integration.test_backfill_online import NEXT, SETTINGS
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration


def test_topics_made_by_new_definitions_are_read_by_a_worker_that_kept_its_place(
    real: RealComponents, tmp_path: Path
) -> None:
    with Deployment(tmp_path, real, "payments", {"payments": 3}, SETTINGS) as deployment:
        worker = deployment.start("worker")
        until("an open worker", lambda: worker.said("open at offset"))
        worker.terminate()
        worker.ended_well()
        later = NEXT.replace("BACKFILL", "None").replace("VERSION", "9")
        (deployment.config / "features" / "later.py").write_text(later)
        again = deployment.start("worker")
        for partition in range(3):
            until("a new topic", lambda p=partition: again.said(f"by_merchant.9[{p}]: open at offset"))  # type: ignore[misc]
        again.terminate()
        again.ended_well()
