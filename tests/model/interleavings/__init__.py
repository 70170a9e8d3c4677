"""The interleavings that docs/adr/0012 speaks of, each as what happens to a world. Data for two tests: each must end
well, and each broken protocol in `mutations` must fail in the one that is named beside it.
"""

from tests.model.interleavings import flows, kafka, online
from tests.model.interleavings.telling import STORIES, begin

__all__ = ["STORIES", "begin", "flows", "kafka", "online"]
