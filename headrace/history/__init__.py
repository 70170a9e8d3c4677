"""History: every decoded event of a source, exactly once, in a Delta Lake table (spec, section 6).

In the order of the data: `schema` (the columns of a table), `rows` (events -> Arrow), `positions` (what a
commit may follow), `table` (the writer), `upkeep` (small files, old files), `read` (everybody else). Refuses
to know Kafka clients, batching intervals and threads: that is the history agent's.
"""
