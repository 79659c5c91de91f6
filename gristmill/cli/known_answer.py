"""The answer of a command that only reads, printed at once if nothing that it depends on has changed.

A `run` with nothing to do, `plan`, `ls` and shell completion leave an answer in the store (`observation.py`): what they
printed, and the stat of each file and folder that they looked at, also of missing ones. The next process with the same
words, folder, environment and terminal compares the stats and prints the same. It imports only this module: neither
pydantic nor typer nor rich. Anything else takes the normal path.
"""

import hashlib
import os
import sys

_COMMANDS = ("ls", "plan", "run")
_COMPLETION = "_GRISTMILL_COMPLETE"  # variable by which a shell asks for completion
_PER_CALL = ("_", "OLDPWD", "PWD", "SHLVL")  # variables in which equal calls may differ
_MANIFEST = "/manifest.json"  # of an artifact
_PIPELINES_FILE, _STORE = "pipelines.toml", "data/store"  # as in `catalogue.py` and `Defaults`


def print_known_answer(path: str) -> bool:
    """Print the answer in a file if it is there and still holds; return whether it was printed."""
    answer = _read(path)
    if answer is None:
        return False
    try:
        sys.stdout.write(answer)
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader of the output has exited, such as `head`
            sys.stderr.write(f"error: {error}\n")
            sys.stderr.flush()
        os._exit(1)  # without another attempt to write
    return True


def answer_file() -> str | None:
    """Return the file for the answer to this process's command; None if it is not one that only reads."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if (command not in _COMMANDS and _COMPLETION not in os.environ) or None in (sys.stdout, sys.stderr):
        return None
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    store = _local_store(folder)
    terminal = [os.get_terminal_size(one.fileno()) for one in (sys.stdout, sys.stderr) if one.isatty()]
    environment = sorted(item for item in os.environ.items() if item[0] not in _PER_CALL)
    request = repr((folder, sys.argv[1:], environment, terminal, sys.stdout.isatty(), sys.path, sys.version))
    return store and f"{store}/answers/{digest_of(request)[:32]}.txt"


def _local_store(folder: str) -> str | None:
    """Return the store of the project around a folder; None without a project, or if the store is shared."""
    project = folder
    while not os.path.isfile(f"{project}/{_PIPELINES_FILE}"):
        if project == os.path.dirname(project):
            return None
        project = os.path.dirname(project)
    location = os.environ.get("GRISTMILL_STORE") or _named_store(f"{project}/{_PIPELINES_FILE}")
    return None if "://" in location else os.path.join(project, os.path.expanduser(location))


def _named_store(file: str) -> str:
    """Return the store that a `pipelines.toml` names, if that is in its first tables; otherwise the default."""
    with open(file, encoding="utf-8", errors="replace") as content:
        head = content.read().partition("\n[pipelines")[0]
    if "store" not in head:
        return _STORE
    import tomllib  # late: it takes as long as everything else

    try:
        return str(tomllib.loads(head).get("defaults", {}).get("store", _STORE))
    except (tomllib.TOMLDecodeError, AttributeError):  # the normal path reports it
        return _STORE


def _read(path: str) -> str | None:
    """Return a known answer; None if there is none, it is damaged, or something that it depends on has changed."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            seal, _, content = file.read().partition("\n")
    except OSError:
        return None
    if seal != digest_of(content):
        return None
    looked_at, _, answer = content.partition("\n\n")
    store, used = os.path.dirname(os.path.dirname(path)), []
    for line in looked_at.split("\n"):
        stat, _, name = line.partition("\t")
        if stat != stat_of(name):
            return None
        if name.endswith(_MANIFEST) and name.startswith(store):
            used.append(name.removesuffix(_MANIFEST))
    try:
        for folder in used:  # as `Store.note_use` does, so that `gc` keeps the artifact during a run
            os.utime(folder)
    except OSError:  # a store that only others may write to
        pass
    return answer


def stat_of(path: str) -> str:
    """Return what changes in a file's or folder's stat when it is written to; "missing" without it."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
