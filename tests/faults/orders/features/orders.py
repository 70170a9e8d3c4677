"""Orders: one view on the worker that reads them, one behind a shuffle; lifetime, closed and moving windows."""

import headrace as hr

customer = hr.Entity("customer", keys={"customer": hr.String})
shop = hr.Entity("shop", keys={"shop": hr.String})

orders = hr.StreamSource(
    "orders",
    topics=["orders"],
    schema="schemas/order.avsc",
    key="customer",
    timestamp="ordered_at",
    lateness="30s",
    max_ahead="10m",
    start="earliest",
)

by_customer = hr.FeatureView(
    "by_customer",
    entity=customer,
    source=orders,
    features={
        "orders_ever": hr.count(over=hr.lifetime()),
        "cents_ever": hr.sum("cents", over=hr.lifetime()),
        "last_number": hr.latest("number"),
        "cents_4m": hr.sum("cents", over=hr.rolling("4m", "20s")),
        "orders_closed_1m": hr.count(over=hr.tumbling("1m", closed=True)),
    },
)

by_shop = hr.FeatureView(
    "by_shop",
    entity=shop,
    source=orders,
    features={
        "orders_ever": hr.count(over=hr.lifetime()),
        "cents_ever": hr.sum("cents", over=hr.lifetime()),
        "last_number": hr.latest("number"),
        "paid_2m": hr.count(where="status = 'paid'", over=hr.hopping("2m", "30s")),
        "highest_4m": hr.max("cents", over=hr.rolling("4m", "20s")),
        "orders_closed_2m": hr.count(over=hr.hopping("2m", "1m", closed=True)),
    },
)
