"""`python -m headrace.cli`: the command without its console script."""

from headrace.cli import main

main()
