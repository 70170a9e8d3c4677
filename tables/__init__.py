"""Windowed state: panes in RocksDB with a changelog topic, restored and fenced by us, not by Faust.

Reads downwards only: `headrace` for the meaning of a record, Kafka and RocksDB for keeping it.
Knows nothing of agents, settings or Redis.
"""
