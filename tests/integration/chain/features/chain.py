"""Three views deep: users, the pages that users were last on, and the sections that those pages are in."""

import headrace as hr

EVER = hr.lifetime()

user = hr.Entity("user", keys={"user": hr.String})
page = hr.Entity("page", keys={"page": hr.String})
section = hr.Entity("section", keys={"section": hr.String})

visits = hr.StreamSource(
    "visits",
    topics=["visits"],
    format="json",
    schema={"user": hr.String, "page": hr.String, "at": hr.Int64, "ms": hr.Int64},
    key="user",
    timestamp="at",
    start="earliest",
)
by_user = hr.FeatureView(
    "by_user",
    entity=user,
    source=visits,
    features={
        "visits": hr.count(over=EVER),
        "ms": hr.sum("ms", over=EVER),
        "visits_12s": hr.count(over=hr.rolling("12s", "1s")),
        "last_page": "page",
    },
)
by_page = hr.FeatureView(
    "by_page",
    entity=page,
    source=by_user,
    where="ms >= 20",
    columns={"page": "last_page", "mean": "ms / visits"},
    features={
        "told": hr.count(over=EVER),
        "best": hr.max("mean", over=EVER),
        "busy": hr.sum("visits_12s", over=EVER),
        "last_user": "user",
    },
)
by_section = hr.FeatureView(
    "by_section",
    entity=section,
    source=by_page,
    columns={"section": "substring(page, 1, 1)"},
    features={
        "told": hr.count(over=EVER),
        "told_below": hr.max("told", over=EVER),
        "best": hr.max("best", over=EVER),
        "last_page": "page",
    },
)
