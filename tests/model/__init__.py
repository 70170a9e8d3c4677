"""The protocol of flush, hand-over and shuffle as a state machine.

The engine, its tables, its producer, its changelog reader and its Redis writer are the real ones. What is outside of
them is a double in memory: a Kafka (`kafka`, `clients`), a disk (`disk`), a Redis (`redis`), a consumer group and the
time (`world`, `loop`). Every call to a double is a step at which a process can be held, fail, or be killed
(`process`). `machine` draws what happens; `interleavings` has the known ones by name, `mutations` the ways in which a
protocol could be broken, each of which must be caught.
"""
