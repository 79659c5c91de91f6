"""Opt-out of the usage reports that Prefect sends to its vendor."""

import os

NO_CLIENT_REPORTS = {"DO_NOT_TRACK": "1"}  # a client reads only this variable, and otherwise asks its server
_NO_REPORTS = NO_CLIENT_REPORTS | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def opt_out() -> None:
    """Disable Prefect's reports in this process and its children; variables that are already set stay.

    Call it before Prefect is imported, because Prefect reports from its first import on.
    """
    for name, value in _NO_REPORTS.items():
        os.environ.setdefault(name, value)
