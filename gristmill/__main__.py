"""Where the command line begins and ends: `gristmill`, or `python -m gristmill`."""

import gc

from gristmill.imports import collector_spared


def main() -> None:
    """Run the command line. At the end Python looks for garbage in all that there is, which is left to the system."""
    with collector_spared():
        from gristmill import cli
    try:
        cli.main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
