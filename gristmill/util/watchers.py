"""Watcher processes, which act when this process ends or exceeds a timeout."""

import os
from subprocess import DEVNULL, PIPE, Popen

from gristmill.util.processes import module_command, process_identity


def start_watcher(module: str, *arguments: str) -> "Popen[bytes]":
    """Start a watcher of this process; it gets the id and identity of this process before the other arguments.

    It has a session of its own, so signals to the group of this process do not reach it. Its standard input is a pipe,
    which the kernel closes when this process ends.
    """
    line, environment = module_command(module, f"{os.getpid()}", process_identity(os.getpid()), *arguments)
    # A pipe of this process's output would stay open.
    return Popen(line, env=environment, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
