"""`python -m bluepeace_gis`: the command, where it is not on PATH."""

from bluepeace_gis.cli import main

if __name__ == "__main__":
    main()
