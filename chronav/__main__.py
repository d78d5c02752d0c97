"""`python -m chronav` is the command `chronav`."""

from chronav.cli import main

if __name__ == "__main__":
    main()
