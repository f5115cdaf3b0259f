"""`python -m cli`: the same as the command `tunesmith`."""

from cli.main import main

if __name__ == "__main__":
    main()
