"""Faults, injected while events flow: nothing lost, nothing twice, never backwards.

A `Fault` (`fault`) is what happens, as data and one function; `families` has them, a file for each row of the
table in docs/reliability.md. A `Scene` (`scene`) is what it happens to: workers and history as processes on real
components (`ground`), a producer that goes on (`traffic`), a reader that polls (`reader`). When it has settled,
`verdict` compares Redis, state, history and dead letters with a recomputation (`expected`) of what is really on
the topic (`topic`). `python -m tests.faults` runs them and keeps a line for each in a file (`results`).

Nothing here imports the engine: a deployment is processes, settings and the public layouts.
"""
