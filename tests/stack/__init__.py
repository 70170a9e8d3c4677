"""The real components, started as plain processes on this machine: no container engine needed.

One module per component (`kafka`, `registry`, `s3`, `redis`, `toxiproxy`), each a class with
`start() stop() kill() restart() pause() resume()`, an address, a pid and a log. `install` fetches
what they are made of into a cache outside the tree, `whole` holds the four that belong together,
`python -m tests.stack up|down|status|fetch` is what `make stack` runs.

Used by the fixtures of `tests/conftest.py`, by `bench/` and by the fault harness. It owns processes
and files; it knows nothing of Headrace.
"""
