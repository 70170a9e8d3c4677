"""The demo: real flights, moved to now, through embedded parts, with the worker and history as processes.

`flights` is the data; `replay`, `pace` and `sending` make events of it; `children` and `stage` start and end
the processes; `watching` measures from outside, by Redis alone; `screen` and `plain` show; `checking` recomputes.
"""
