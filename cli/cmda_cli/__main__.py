"""``python -m cmda_cli``."""

from cmda_cli.main import main

if __name__ == "__main__":
    main()
