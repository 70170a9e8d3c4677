"""`python -m headrace`: the command line, for where the console script is not on the path."""

from headrace.cli import main

if __name__ == "__main__":
    main()
