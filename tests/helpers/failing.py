"""Steps that fail: this process changes files below a folder, and at one of the changes it is killed or refused.

A step is a file opened for writing, a folder made, a rename or a link, as Python's audit hooks tell, or a flush; where
the process is to be killed, also a removal, which a broken disk may well refuse. What C++ opens is met by `full`.
"""

import errno
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_CHANGES = {"os.mkdir": "mkdir", "os.rename": "rename", "os.link": "link"}
_REMOVALS = {"os.remove": "remove", "os.rmdir": "rmdir"}

Act = Callable[[str, Path], None]  # is given the step and what it is done to
Hear = Callable[[str, tuple[Any, ...]], None]

_heard: list[Hear] = []  # by whom, at present


def kill(step: str, path: Path) -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number: int, step: str, path: Path) -> None:
    """Refuse a step with an error of the kernel, as Python tells of it: a flush is given no file to name."""
    raise OSError(number, os.strerror(number), *([] if step == "fsync" else [str(path)]))


def fill(step: str, path: Path) -> None:
    """Have the disk be full: a file can be opened, and nothing be written to it."""
    if step != "open" or path.parent.name == "locks":  # which nothing is written to
        refuse(errno.ENOSPC, step, path)
    path.symlink_to("/dev/full")


@contextmanager
def at_step(number: int, act: Act, root: Path, lasting: bool = False, removals: bool = False) -> Iterator[list[str]]:
    """Have something happen at the n-th step below a folder, before it is done, and give the steps.

    Args:
        number: of the step, from 1.
        act: what happens.
        root: the folder.
        lasting: whether it happens at every later step too.
        removals: whether they are steps.
    """
    steps: list[str] = []
    names = _CHANGES | (_REMOVALS if removals else {})
    fsync = os.fsync

    def count(step: str, path: Path) -> None:
        steps.append(f"{step} {path.relative_to(root) if path.is_relative_to(root) else path}")
        if len(steps) == number or (lasting and len(steps) > number):
            act(step, path)

    def hear(event: str, given: tuple[Any, ...]) -> None:
        step = "open" if event == "open" and _writes(given[2]) else names.get(event)
        if step and isinstance(given[0], str | bytes | os.PathLike):
            path = Path(os.fsdecode(given[0]))
            inside = path.is_relative_to(root) or (step in _REMOVALS.values() and not path.is_absolute())
            if inside and not (step == "mkdir" and path.is_dir()):  # which is no change
                count(step, path)

    def flush(descriptor: int) -> None:
        count("fsync", Path(f"/dev/fd/{descriptor}").readlink())
        fsync(descriptor)

    _listen()
    _heard.append(hear)
    os.fsync = flush
    try:
        yield steps
    finally:
        os.fsync = fsync
        _heard.remove(hear)


@cache
def _listen() -> None:
    """Hear what Python tells of its doings; a hook cannot be taken off again."""
    sys.addaudithook(lambda event, given, heard=_heard: [hear(event, given) for hear in heard] and None)


def _writes(flags: int | None) -> bool:
    return bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


@contextmanager
def full(stage: str, name: str, root: Path) -> Iterator[None]:
    """Have the disk be full for one file of a stage's artifact, or of a checkpoint, whoever opens it.

    Args:
        stage: the folder of the store below which it is built.
        name: of the file, in its artifact or checkpoint.
        root: the store.
    """
    mkdir, parent = os.mkdir, Path(name).parent

    def make(path: str | os.PathLike[str], *more: Any, **options: Any) -> None:
        mkdir(path, *more, **options)
        made = Path(path)
        draft = next((folder for folder in (made, made.parent) if folder.name.startswith(".")), None)
        if not draft or not made.is_relative_to(root / stage):
            return
        if made == draft and parent.parts[:1] == ("saved_model",):  # which TensorFlow makes, out of Python's sight
            (draft / parent).mkdir(parents=True)
        if (draft / parent).is_dir() and not (draft / name).is_symlink():
            (draft / name).symlink_to("/dev/full")

    os.mkdir = make
    try:
        yield
    finally:
        os.mkdir = mkdir


def without_locks() -> None:
    """Have this process's file locks do nothing, as on some network file systems."""
    fcntl.flock = lambda *_: None


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Have the kernel refuse to let any file grow beyond a size in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
