"""Opt-out of the usage reports that Prefect sends to its vendor."""

import os

NO_CLIENT_REPORTS = {"DO_NOT_TRACK": "1"}  # a client asks this variable alone, and else the server that it uses
_NO_REPORTS = NO_CLIENT_REPORTS | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def opt_out() -> None:
    """Have Prefect report nothing, in this process and those that it starts; variables that are set already stay.

    Prefect reports from its first import on, so this must run before it.
    """
    for name, value in _NO_REPORTS.items():
        os.environ.setdefault(name, value)
