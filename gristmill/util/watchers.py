"""Processes that watch this one and act when it has ended, or does not end."""

import os
from subprocess import DEVNULL, PIPE, Popen

from gristmill.util.processes import module_command, process_identity


def start_watcher(module: str, *arguments: str) -> "Popen[bytes]":
    """Start a watcher of this process; it gets the id and identity of this process before the other arguments.

    It has a session of its own, so that what ends this process does not end it. Its standard input is a pipe, which the
    kernel closes when this process ends.
    """
    line, environment = module_command(module, f"{os.getpid()}", process_identity(os.getpid()), *arguments)
    # A pipe of this process's output would stay open.
    return Popen(line, env=environment, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
