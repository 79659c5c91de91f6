"""Locks that the kernel frees when their process dies."""

import fcntl


def acquire_lock(descriptor: int, wait: bool) -> bool:
    """Lock an open file, after others or not at all, and return whether it is locked.

    A file system without locks lets everybody have it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # there are no locks here
        pass
    return True
