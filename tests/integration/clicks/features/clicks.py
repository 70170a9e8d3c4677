"""JSON on two topics that are not keyed: every view is shuffled."""

import headrace as hr

page = hr.Entity("page", keys={"page": hr.String})

clicks = hr.StreamSource(
    "clicks",
    topics=["clicks", "views"],
    format="json",
    schema={"page": hr.String, "at": hr.Int64, "ms": hr.Int64},
    timestamp="at",
    start="earliest",
)

by_page = hr.FeatureView(
    "by_page",
    entity=page,
    source=clicks,
    features={"hits": hr.count(over=hr.lifetime()), "ms_1h": hr.sum("ms", over="1h")},
)
