"""Entry point of the command line: `gristmill`, or `python -m gristmill`."""

import gc
import os
import sys

from gristmill.util.gc_freeze import gc_frozen


def main() -> None:
    """Run the command line; garbage collection is off during start-up and exit."""
    # Pydantic would search the metadata of all installed packages for plugins, which takes 30 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        with gc_frozen():
            from gristmill.cli import app
    except KeyboardInterrupt:  # Ctrl-C while modules are loaded; later `app.main` handles it
        sys.exit(130)
    try:
        app.main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
