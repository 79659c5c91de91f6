"""Locks that the kernel releases when their process dies."""

import fcntl


def acquire_lock(descriptor: int, wait: bool) -> bool:
    """Lock an open file, blocking or not, and return whether it was locked; without support for locks return True."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # the file system does not support locks
        pass
    return True
