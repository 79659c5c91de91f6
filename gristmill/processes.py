"""New Python processes that run a gristmill module, and nothing that happens to lie in the user's folder."""

import os
import sys
from pathlib import Path


def command(module: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """Return command line and environment to run a module of gristmill as a script.

    `-P` keeps the current folder, where a user may have a `queue.py`, out of the search for modules.
    """
    root = str(Path(__file__).parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return [sys.executable, "-P", "-m", module, *words], os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
