"""Payments of a shop: what customers spend, and how merchants do."""

import headrace as hr

customer = hr.Entity("customer", keys={"customer_id": hr.Int64})
merchant = hr.Entity("merchant", keys={"merchant_id": hr.String})

payments = hr.StreamSource(
    "payments",
    topics=["payments"],
    schema="schemas/payment.avsc",
    key="customer_id",
    timestamp="paid_at",
    lateness="5m",
    max_ahead="10m",
)

customer_spend = hr.FeatureView(
    "customer_spend",
    entity=customer,
    source=payments,
    where="status = 'settled'",
    columns={"eur": "amount * fx_rate", "abroad": "country <> 'DE'"},
    features={
        "last_country": "country",
        "payments_1h": hr.count(over="1h"),
        "spend_48h": hr.sum("eur", over="48h"),
        "largest_7d": hr.max("eur", over="7d"),
        "abroad_share_24h": hr.ratio(hr.count(where="abroad", over="24h"), hr.count(over="24h")),
        "spend_ever": hr.sum("eur", over=hr.lifetime()),
    },
    ttl="90d",
    description="What a customer spends, in euro.",
)

merchant_health = hr.FeatureView(
    "merchant_health",
    entity=merchant,
    source=payments,
    columns={"failed": "status = 'failed'"},
    features={
        "payments_5m": hr.count(over=hr.tumbling("5m", closed=True)),
        "failed_1h": hr.count_if("failed", over="1h"),
        "avg_amount_24h": hr.avg("amount", over="24h"),
    },
    description="How payments to a merchant go. Its key is not the topic's, so its events are shuffled.",
)
