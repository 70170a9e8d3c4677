"""Other stream processors that compute the same windows from the same topic, each a module with one class.

An `Engine` says how it is installed, how it is started on a job, what it counts and which windows it computed;
`running` measures any of them in the same way, `checking` compares its windows with plain Python. The programs that
run inside the peers' own environments are in `programs/` and import nothing of ours.
"""
