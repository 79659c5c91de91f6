"""What a command looks at and prints, kept as the answer for the next equal command (`known_answer.py`).

Python reports each file that is opened and each folder that is listed as an audit event (PEP 578), so no module has to
tell what it reads. Only code that looks at a stat alone raises an event of its own (`util/audit_events.py`).
"""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from gristmill.cli.known_answer import digest_of, stat_of
from gristmill.util.audit_events import DEPENDS_ON_MORE, LOOKED_AT
from gristmill.util.files import MIN_AGE_NS, write_atomically
from gristmill.util.process_start import STARTED_NS

_LISTED = ("os.listdir", "os.scandir", "pathlib.Path.glob", "pathlib.Path.rglob", LOOKED_AT)
_UNREPEATABLE = ("os.fork", "os.posix_spawn", "socket.connect", "sqlite3.connect", "subprocess.Popen", DEPENDS_ON_MORE)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_LIBRARIES_OF_SYSTEM = "/etc/ld.so.cache"  # changes when one of them is installed; Linux
_MAX_ANSWERS = 100  # in a store; an answer has about 100 bytes for each file

_hearing: list["_Looks"] = []  # what notes the events now: an audit hook cannot be removed


@contextlib.contextmanager
def observed(path: str) -> Iterator[None]:
    """Observe the command that runs within the block; keep its answer in a file if it ends well, without a message."""
    looks, out, err = _Looks(Path(path).parent.parent), _Copy(sys.stdout), _Copy(sys.stderr)
    _listen()
    _hearing.append(looks)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield
    except SystemExit as end:
        if not end.code and out.text and not err.text:
            looks.keep(Path(path), out.text)
        raise
    finally:
        sys.stdout, sys.stderr = out.stream, err.stream
        _hearing.remove(looks)


@functools.cache
def _listen() -> None:
    hearing = _hearing  # at the end of the process, names of modules are gone

    def hear(event: str, given: tuple[Any, ...]) -> None:
        for looks in hearing:
            looks.hear(event, given)

    sys.addaudithook(hear)


class _Looks:
    """The stat of each file and folder that this process looked at, when it did so first."""

    def __init__(self, store: Path) -> None:
        self.stats: dict[str, str] | None = {}  # None once the answer depends on more than files
        self._memo = f"{store}/memo"  # results that were computed from the files themselves

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """Note what an audit event is about."""
        if self.stats is None:
            return
        if event in _UNREPEATABLE:
            self.stats = None
        elif event == "ctypes.dlopen":
            self._note(_LIBRARIES_OF_SYSTEM)
        elif event in _LISTED or (event == "open" and not given[2] & _WRITES):
            self._note("." if given[0] is None else given[0])

    def _note(self, place: Any) -> None:
        if self.stats is None or isinstance(place, int):  # a file that is open
            return
        name = os.path.abspath(os.fsdecode(place))  # noqa: PTH100 - it is called a thousand times
        if name.startswith("/proc/"):  # of a process, which may end
            self.stats = None
        elif name not in self.stats and "/__pycache__" not in name and not name.startswith(self._memo):
            self.stats[name] = stat_of(name)

    def keep(self, path: Path, answer: str) -> None:
        """Write an answer, unless it depends on more than files, or on a file that was just written."""
        ours = (module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "gristmill")
        for place in (*filter(None, ours), *sys.path):
            self._note(place)
        if self.stats is None or not path.parent.parent.is_dir() or any("\n" in name for name in self.stats):
            return
        changed = [int(stat.split()[2]) for stat in self.stats.values() if " " in stat]
        if max(changed, default=0) > STARTED_NS - MIN_AGE_NS:
            return
        content = "\n".join([*(f"{stat}\t{name}" for name, stat in self.stats.items()), "", answer])
        with contextlib.suppress(OSError):  # an answer only saves time
            path.parent.mkdir(exist_ok=True)
            known = list(path.parent.iterdir())
            for old in known if len(known) >= _MAX_ANSWERS else ():
                old.unlink()
            write_atomically(path, f"{digest_of(content)}\n{content}".encode(errors="surrogateescape"))


class _Copy:
    """An output that also keeps its text."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.text = stream, ""

    def write(self, text: str) -> int:
        self.text += text
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
