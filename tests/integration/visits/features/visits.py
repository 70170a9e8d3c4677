"""Windows of seconds, so that a test can watch values fall."""

import headrace as hr

user = hr.Entity("user", keys={"user": hr.String})
page = hr.Entity("page", keys={"page": hr.String})

visits = hr.StreamSource(
    "visits",
    topics=["visits"],
    format="json",
    schema={"user": hr.String, "page": hr.String, "at": hr.Int64, "ms": hr.Int64},
    key="user",
    timestamp="at",
    start="earliest",
)

FEATURES = {
    "visits_12s": hr.count(over=hr.rolling("12s", "1s")),
    "ms_12s": hr.sum("ms", over=hr.rolling("12s", "1s")),
    "visits_ever": hr.count(over=hr.lifetime()),
}

by_user = hr.FeatureView("by_user", entity=user, source=visits, features=FEATURES)
by_page = hr.FeatureView("by_page", entity=page, source=visits, features=FEATURES)
passing = hr.FeatureView("passing", entity=user, source=visits, features=FEATURES, ttl="20s")
fleeting = hr.FeatureView(
    "fleeting", entity=page, source=visits, features={"visits_12s": hr.count(over=hr.rolling("12s", "1s"))}
)
