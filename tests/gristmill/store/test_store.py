"""The store: what can be seen in it is whole, what was damaged is found, and the disk may fail anywhere."""

import errno
import fcntl
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gristmill import keys
from gristmill.errors import CorruptArtifact, StoreError
from gristmill.keys import Identity
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store
from gristmill.util import processes
from gristmill.util.files import files_below
from helpers.failing import limited
from helpers.support import note_hashed

ROOT = Path(__file__).parents[3]


def made_of(stage: str = "train", **settings: Any) -> Identity:
    return keys.identify(stage, {"gristmill": "00"}, {"train": settings}, {}, {"numpy": "2.1.0"})


MADE_OF = made_of()


def publish(root: Path, content: str = "content", made_of: Identity = MADE_OF, replace: bool = False) -> Artifact:
    """Publish an artifact of two files, one in a folder."""
    held = Store(root)
    with held.draft(made_of) as draft:
        (draft.path / "inner").mkdir()
        (draft.path / "data.txt").write_text(content)
        (draft.path / "inner/more.txt").write_text("more")
        draft.counts = {"rows": 3}
        return held.publish(draft, made_of, replace)


def content_of(artifact: Artifact | None) -> str | None:
    return (artifact.path / "data.txt").read_text() if artifact else None


def published(root: Path) -> list[str]:
    """The files of the store, but for those that may be there or not."""
    names = [path.relative_to(root).as_posix() for path in files_below(root)] if root.exists() else []
    return [name for name in names if not name.startswith(("memo/", "locks/", "quarantine/"))]


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def flip_unseen(path: Path) -> None:
    """Flip a bit and restore the modification time; again until the file system's clock has moved on."""
    before, original = path.stat(), path.read_bytes()
    while path.stat().st_ctime_ns == before.st_ctime_ns or path.read_bytes() == original:
        flip(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def make_folder(file: Path) -> None:
    """Put a folder where a file is."""
    file.unlink()
    file.mkdir()


def make_file(folder: Path) -> None:
    """Put a file where a folder is."""
    shutil.rmtree(folder)
    folder.write_text("no folder")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds have passed: the files written in this test have rested."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What gristmill warns of, also where a command has taken its log over."""
    logging.getLogger("gristmill").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("gristmill").removeHandler(caplog.handler)


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_logs_lie_by_pipeline_under_the_beginning_of_their_key(tmp_path: Path) -> None:
    assert Store(tmp_path).logs("small", "0123456789abcdef" * 4) == tmp_path / "logs/small/0123456789ab"


def test_what_is_published_is_found_and_opened(tmp_path: Path) -> None:
    artifact = publish(tmp_path)
    found, opened = Store(tmp_path).get("train", MADE_OF.key), Store(tmp_path).open_verified(artifact.reference)
    for same in (artifact, found, opened):
        assert same is not None
        assert same.path == tmp_path / "train" / MADE_OF.key[:2] / MADE_OF.key
        assert (content_of(same), same.counts, same.bytes) == ("content", {"rows": 3}, len("contentmore"))
        assert same.manifest == artifact.manifest
    assert artifact.reference == {"stage": "train", "key": MADE_OF.key, "digest": artifact.manifest["digest"]}
    assert list(Store(tmp_path).artifacts()) == [artifact.path]


def test_the_digest_is_of_the_files_alone(tmp_path: Path) -> None:
    """Equal content stops a re-run early, whatever it was made of."""
    one, same, other = (publish(tmp_path, text, made_of(a=a)) for a, text in enumerate(("x", "x", "y")))
    assert one.reference["digest"] == same.reference["digest"] != other.reference["digest"]


def test_what_was_never_published_is_not_found(tmp_path: Path) -> None:
    publish(tmp_path)
    assert Store(tmp_path).get("train", made_of(a=1).key) is None
    assert Store(tmp_path).get("evaluate", MADE_OF.key) is None


def test_nothing_is_visible_before_it_is_published(tmp_path: Path) -> None:
    held = Store(tmp_path)
    with held.draft(MADE_OF) as draft:
        (draft.path / "data.txt").write_text("half")
        (draft.path / "manifest.json").write_text("{}")
        assert held.get("train", MADE_OF.key) is None
        assert list(held.artifacts()) == []
    assert published(tmp_path) == []


def fail_in_draft(root: Path, error: Exception) -> None:
    with Store(root).draft(MADE_OF) as draft:
        (draft.path / "data.txt").write_text("half")
        raise error


def test_a_draft_is_removed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_in_draft(tmp_path, ZeroDivisionError())
    assert published(tmp_path) == []


def test_the_manifest_is_written_last_and_the_rename_makes_it_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: dict[str, list[str]] = {}
    replace, rename = os.replace, os.rename

    def note(step: str) -> None:
        assert not Store(tmp_path).path("train", MADE_OF.key).exists()
        there[step] = sorted(path.name for path in files_below(tmp_path) if not path.name.startswith("."))

    def noting_replace(*paths: Path) -> None:
        note("manifest")
        replace(*paths)

    def noting_rename(*paths: Path) -> None:
        note("rename")
        rename(*paths)

    monkeypatch.setattr(os, "replace", noting_replace)
    monkeypatch.setattr(os, "rename", noting_rename)
    publish(tmp_path)
    assert there == {"manifest": ["data.txt", "more.txt"], "rename": ["data.txt", "manifest.json", "more.txt"]}


@pytest.mark.parametrize(
    ("damage", "named", "said"),
    [
        (lambda path: flip(path / "data.txt"), "data.txt", "altered since it was published"),
        (lambda path: flip(path / "inner/more.txt"), "inner/more.txt", "altered since it was published"),
        (lambda path: os.truncate(path / "data.txt", 3), "data.txt", "altered since it was published"),
        (lambda path: os.truncate(path / "data.txt", 0), "data.txt", "altered since it was published"),
        (lambda path: (path / "inner/more.txt").unlink(), "inner/more.txt", "missing, though its manifest lists it"),
        (lambda path: (path / "manifest.json").unlink(), "manifest.json", "cannot be read (No such file"),
        (lambda path: make_folder(path / "data.txt"), "data.txt", "cannot be read (Is a directory)"),
        (lambda path: make_folder(path / "manifest.json"), "manifest.json", "cannot be read (Is a directory)"),
        (lambda path: make_file(path / "inner"), "inner/more.txt", "cannot be read (Not a directory)"),
        (lambda path: os.truncate(path / "manifest.json", 40), "manifest.json", "not a manifest"),
        (lambda path: os.truncate(path / "manifest.json", 0), "manifest.json", "not a manifest"),
        (lambda path: (path / "manifest.json").write_text("[]"), "manifest.json", "not a manifest"),
        (lambda path: (path / "manifest.json").write_bytes(b"\xff"), "manifest.json", "not a manifest"),
        (lambda path: edit_manifest(path, counts={"rows": 4}), "manifest.json", "altered since it was written"),
        (lambda path: edit_manifest(path, key="00"), "manifest.json", "altered since it was written"),
        (lambda path: edit_manifest(path, files={}), "manifest.json", "altered since it was written"),
    ],
)
@pytest.mark.parametrize("look", ["get", "open_verified"])
def test_damage_is_found_and_the_file_named(
    tmp_path: Path, damage: Callable[[Path], object], named: str, said: str, look: str
) -> None:
    artifact, held = publish(tmp_path), Store(tmp_path)
    damage(artifact.path)
    with pytest.raises(CorruptArtifact, match=re.escape(f"{artifact.path / named}: {said}")):
        held.get("train", MADE_OF.key) if look == "get" else held.open_verified(artifact.reference)


def edit_manifest(path: Path, **changed: Any) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | changed))


def test_an_artifact_under_another_key_is_not_taken_for_it(tmp_path: Path) -> None:
    artifact, other = publish(tmp_path), Store(tmp_path).path("train", made_of(a=1).key)
    other.parent.mkdir(parents=True)
    artifact.path.rename(other)
    with pytest.raises(CorruptArtifact, match=re.escape(f"{other / 'manifest.json'}: altered")):
        Store(tmp_path).get("train", made_of(a=1).key)


@pytest.mark.fault(7)
@pytest.mark.usefixtures("later")
def test_a_flipped_bit_is_found_on_a_hit_though_size_and_time_are_restored(tmp_path: Path) -> None:
    artifact, held = publish(tmp_path), Store(tmp_path)
    assert held.get("train", MADE_OF.key)  # remembers the digests
    flip_unseen(artifact.path / "data.txt")
    with pytest.raises(CorruptArtifact, match=re.escape(f"{artifact.path / 'data.txt'}: altered")):
        held.get("train", MADE_OF.key)


@pytest.mark.usefixtures("later")
def test_a_hit_reads_no_untouched_file_again_but_opening_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact, held = publish(tmp_path), Store(tmp_path)
    held.get("train", MADE_OF.key)
    hashed = note_hashed(monkeypatch)
    held.get("train", MADE_OF.key)
    assert hashed == []
    held.open_verified(artifact.reference)
    assert hashed == ["data.txt", "more.txt"]


def test_a_reference_to_an_artifact_that_was_refreshed_is_refused(tmp_path: Path) -> None:
    old = publish(tmp_path)
    publish(tmp_path, "other", replace=True)
    with pytest.raises(CorruptArtifact, match=r"it was refreshed since\. Run again"):
        Store(tmp_path).open_verified(old.reference)


def test_a_lost_race_takes_the_winners(tmp_path: Path) -> None:
    held = Store(tmp_path)
    with held.draft(MADE_OF) as draft:
        (draft.path / "data.txt").write_text("second")
        first = publish(tmp_path, "first")
        kept = held.publish(draft, MADE_OF)
    assert kept == first
    assert content_of(held.get("train", MADE_OF.key)) == "first"
    assert not (tmp_path / "quarantine").exists()
    assert len(published(tmp_path)) == 3


@pytest.mark.fault(12)
def test_many_at_once_publish_one(tmp_path: Path) -> None:
    gate, kept = threading.Barrier(6), []

    def race(number: int) -> None:
        gate.wait()
        kept.append(publish(tmp_path, f"by {number}").reference["digest"])

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Store(tmp_path).get("train", MADE_OF.key)
    assert found is not None
    assert kept == [found.reference["digest"]] * 6
    assert len(published(tmp_path)) == 3


def test_by_request_the_old_is_moved_to_quarantine(tmp_path: Path) -> None:
    publish(tmp_path, "old")
    publish(tmp_path, "new", replace=True)
    (aside,) = (tmp_path / "quarantine").iterdir()
    assert (aside / "data.txt").read_text() == "old"
    assert aside.name.startswith(f"train-{MADE_OF.key[:16]}")
    assert content_of(Store(tmp_path).get("train", MADE_OF.key)) == "new"


@pytest.mark.parametrize("damage", ["data.txt", "manifest.json"])
def test_a_corrupt_one_is_replaced(tmp_path: Path, damage: str, warned: pytest.LogCaptureFixture) -> None:
    flip(publish(tmp_path, "old").path / damage)
    publish(tmp_path, "new")
    (aside,) = (tmp_path / "quarantine").iterdir()
    assert (aside / "data.txt").exists()
    assert content_of(Store(tmp_path).get("train", MADE_OF.key)) == "new"
    assert f"Moved to {aside} and replaced" in warned.text


@pytest.mark.parametrize("below", ["inner", ""])
def test_a_file_where_a_folder_should_be_is_replaced(tmp_path: Path, below: str) -> None:
    make_file(publish(tmp_path, "old").path / below)
    publish(tmp_path, "new")
    assert content_of(Store(tmp_path).get("train", MADE_OF.key)) == "new"
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_an_artifact_that_lost_its_manifest_is_one_still(tmp_path: Path) -> None:
    artifact = publish(tmp_path)
    (artifact.path / "manifest.json").unlink()
    assert list(Store(tmp_path).artifacts()) == [artifact.path]


def test_what_is_in_quarantine_is_no_artifact(tmp_path: Path) -> None:
    artifact, held = publish(tmp_path), Store(tmp_path)
    aside = held.quarantine(artifact.path)
    assert sorted(path.name for path in aside.iterdir()) == ["data.txt", "inner", "manifest.json"]
    assert held.get("train", MADE_OF.key) is None
    assert list(held.artifacts()) == []


def holder(root: Path, key: str) -> "subprocess.Popen[str]":
    """A process that holds the lock of a key until its standard input ends."""
    code = (
        "import sys; from pathlib import Path; from gristmill.store.store import Store\n"
        "with Store(Path(sys.argv[1])).lock(sys.argv[2]): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, root, key],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def is_locked(root: Path, key: str) -> bool:
    with (root / "locks" / key).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_a_lock_excludes_other_processes_until_it_is_given_back(tmp_path: Path) -> None:
    process = holder(tmp_path, "key")
    assert is_locked(tmp_path, "key")
    with Store(tmp_path).lock("other key"):
        assert is_locked(tmp_path, "other key")
    process.communicate()
    assert process.returncode == 0
    with Store(tmp_path).lock("key"):
        assert is_locked(tmp_path, "key")
    assert not is_locked(tmp_path, "key")


@pytest.mark.fault(14)
def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    process = holder(tmp_path, "key")
    assert is_locked(tmp_path, "key")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not is_locked(tmp_path, "key")


def test_a_lock_can_be_taken_by_another_user_of_the_group(tmp_path: Path) -> None:
    mask = os.umask(0o002)
    try:
        with Store(tmp_path).lock("key"):
            assert (tmp_path / "locks/key").stat().st_mode & 0o060 == 0o060
    finally:
        os.umask(mask)


def test_who_waits_for_a_lock_goes_on_when_it_is_given_back(tmp_path: Path) -> None:
    order: list[str] = []
    started = threading.Event()

    def wait() -> None:
        started.set()
        with Store(tmp_path).lock("key"):
            order.append("second")

    waiter = threading.Thread(target=wait)
    with Store(tmp_path).lock("key"):
        waiter.start()
        started.wait()
        order.append("first")
    waiter.join()
    assert order == ["first", "second"]


def test_a_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Store(tmp_path).lock("key"):
        raise ZeroDivisionError
    assert not is_locked(tmp_path, "key")


@pytest.mark.fault(13)
def test_without_locks_the_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system that knows none: both build, and one is kept."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Store(tmp_path).lock("key"), Store(tmp_path).lock("key"):
        publish(tmp_path, "first")
        assert content_of(publish(tmp_path, "second")) == "first"


@pytest.mark.fault(1)
@pytest.mark.fault(32)
def test_the_draft_of_a_dead_process_is_removed_by_the_next(tmp_path: Path, dead_pid: int) -> None:
    with Store(tmp_path).draft(MADE_OF) as draft:
        beside, name = draft.path.parent, draft.path.name
    this, parent = (f"~{pid}~{processes.process_identity(pid)}~" for pid in (os.getpid(), os.getppid()))
    left = beside / name.replace(f"~{os.getpid()}~", f"~{dead_pid}~")
    reused = beside / name.replace(this, f"~{os.getpid()}~began-earlier~")
    living = beside / name.replace(this, parent)
    far = beside / (left.name + ".example.org")
    for path in (left, reused, living, far):
        path.mkdir()
        (path / "data.txt").write_text("half")
    with Store(tmp_path).draft(MADE_OF):
        assert [path.exists() for path in (left, reused, living, far)] == [False, False, True, True]


def test_a_draft_whose_name_does_not_say_when_its_process_began_goes_by_the_pid(tmp_path: Path, dead_pid: int) -> None:
    beside, host = Store(tmp_path).path("train", MADE_OF.key).parent, socket.gethostname()
    left, living = (beside / f".{MADE_OF.key[:16]}~{pid}~1~{host}" for pid in (dead_pid, os.getpid()))
    for path in (left, living):
        path.mkdir(parents=True)
    with Store(tmp_path).draft(MADE_OF):
        assert [path.exists() for path in (left, living)] == [False, True]


def test_the_draft_of_another_key_is_left_alone(tmp_path: Path, dead_pid: int) -> None:
    with Store(tmp_path).draft(made_of(a=1)) as draft:
        left = draft.path.with_name(draft.path.name.replace(f"~{os.getpid()}~", f"~{dead_pid}~"))
        left.mkdir()
        with Store(tmp_path).draft(MADE_OF):
            assert left.exists()


@pytest.mark.fault(1)
def test_a_killed_build_leaves_nothing_that_is_taken_for_an_artifact(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from gristmill import keys\n"
        "from gristmill.store.store import Store\n"
        "made_of = keys.identify('train', {'gristmill': '00'}, {'train': {}}, {}, {'numpy': '2.1.0'})\n"
        "with Store(Path(sys.argv[1])).draft(made_of) as draft:\n"
        "    (draft.path / 'data.txt').write_text('half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert len(published(tmp_path)) == 1
    assert Store(tmp_path).get("train", MADE_OF.key) is None
    assert content_of(publish(tmp_path)) == "content"
    assert len(published(tmp_path)) == 3


@pytest.mark.fault(17)
@pytest.mark.parametrize("below", ["file", "file/store", "file/a/store"])
def test_a_store_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("no folder")
    root = tmp_path / below
    said = re.escape(str(root)) + r".*: the store is not writable \(.*\)\. Fix it, or set GRISTMILL_STORE"
    with pytest.raises(StoreError, match=said):
        Store(root).check_writable()
    with pytest.raises(StoreError, match=said):
        publish(root)
    with pytest.raises(StoreError, match=said), Store(root).lock("key"):
        pass


@pytest.mark.fault(17)
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nobody can make another")
def test_a_store_whose_folders_cannot_be_made_is_said() -> None:
    with pytest.raises(StoreError, match=r"^/proc/gristmill\S*: the store is not writable"):
        Store(Path("/proc/gristmill/data/store")).check_writable()


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_a_disk_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The kernel's errors of fsync and write name no file."""

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=re.escape(f"{tmp_path}: the store is not writable ({os.strerror(number)})")):
        publish(tmp_path)


@pytest.mark.fault(15)
@pytest.mark.fault(17)
def test_a_disk_without_room_is_told_before_any_work(tmp_path: Path) -> None:
    with limited(0), pytest.raises(StoreError, match=re.escape(f"{tmp_path}: the disk is full. Free space")):
        Store(tmp_path).check_writable()


def test_a_store_that_can_be_written_is_made(tmp_path: Path) -> None:
    Store(tmp_path / "a/store").check_writable()
    assert (tmp_path / "a/store").is_dir()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_and_the_draft_removed(tmp_path: Path, number: int) -> None:
    with pytest.raises(StoreError, match=re.escape(f"{tmp_path}: the disk is full. Free space")):
        fail_in_draft(tmp_path, OSError(number, os.strerror(number)))
    assert published(tmp_path) == []


@pytest.mark.fault(15)
def test_a_file_system_that_refuses_to_grow_a_file_leaves_the_old_artifact(tmp_path: Path) -> None:
    """A real refusal by the kernel, in the middle of writing a data file."""
    publish(tmp_path, "old")
    code = (
        "import resource, sys; from pathlib import Path; from gristmill import keys\n"
        "from gristmill.errors import StoreError; from gristmill.store.store import Store\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); store = Store(Path(sys.argv[1]))\n"
        "made_of = keys.identify('train', {'gristmill': '00'}, {'train': {}}, {}, {'numpy': '2.1.0'})\n"
        "try:\n"
        "    with store.draft(made_of) as draft:\n"
        "        (draft.path / 'data.txt').write_text('x' * 100_000); store.publish(draft, made_of, replace=True)\n"
        "except StoreError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path}: the disk is full. Free space (gristmill gc) and run again.\n"
    assert content_of(Store(tmp_path).get("train", MADE_OF.key)) == "old"
    assert len(published(tmp_path)) == 3


@pytest.mark.fault(16)
def test_whichever_step_of_publishing_fails_what_is_visible_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th mkdir, fsync, replace or rename fails for want of space, for every n until none is left."""
    steps = 0
    failing = 0

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            return step(*arguments, **options)

        return run

    for name in ("mkdir", "fsync", "replace", "rename"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    publish(tmp_path / "0")
    for failing in range(1, steps + 1):  # read by `counted`
        root, steps = tmp_path / str(failing), 0
        with pytest.raises(StoreError, match="the disk is full"):
            publish(root)
        assert content_of(Store(root).get("train", MADE_OF.key)) in (None, "content")
        assert len(published(root)) in (0, 3)
    assert failing > 10


@pytest.mark.fault(16)
def test_whichever_flush_of_a_refresh_fails_there_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The n-th fsync fails for want of space, for every n until none is left."""
    calls = failing = 0
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    publish(tmp_path / "0")
    for failing in range(1, calls + 1):  # read by `counted`
        root, calls = tmp_path / str(failing), 10**6  # none fails
        publish(root, "old")
        calls = 0
        with pytest.raises(StoreError, match="the disk is full"):
            publish(root, "new", replace=True)
        assert content_of(Store(root).get("train", MADE_OF.key)) in ("old", "new")
    assert failing > 5
