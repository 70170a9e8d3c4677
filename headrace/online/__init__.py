"""The online store: feature values in Redis, in the public layout of the spec, section 5.

In the order of the data: `keys` and `text` (one entity, one value, one text), `resp` (columns -> commands),
`write` (commands -> Redis, guarded by a fence), `read` (Redis -> values). Refuses to know windows, state or
Kafka.
"""
