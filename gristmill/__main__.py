"""Where the command line begins and ends: `gristmill`, or `python -m gristmill`."""

import gc
import sys

from gristmill.util.gc_freeze import gc_frozen


def main() -> None:
    """Run the command line. At the end Python looks for garbage in all that there is, which is left to the system."""
    try:
        with gc_frozen():
            from gristmill.cli import app
    except KeyboardInterrupt:  # Ctrl-C in the first moment; from here on `cli.main` answers it
        sys.exit(130)
    try:
        app.main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
