"""Files appear whole or not at all, and what came of one is remembered only as long as it is certain."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill import keys
from gristmill.errors import SourceChanged
from gristmill.keys import digest_of_file
from gristmill.util import files
from gristmill.util.files import (
    ChangeDetector,
    StatCache,
    create_atomically,
    files_below,
    flush_folder,
    rename_folder,
    write_atomically,
    write_json,
)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds have passed: the files written in this test have rested."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were hashed, as it happens."""
    names: list[str] = []

    def hash_and_note(path: Path) -> str:
        names.append(path.name)
        return digest_of_file(path)

    monkeypatch.setattr(keys, "digest_of_file", hash_and_note)
    return names


def fail(*_: object) -> None:
    raise OSError(28, "No space left on device")


def alter_unseen(path: Path) -> None:
    """Flip a bit and restore the modification time; again until the file system's clock has moved on."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def names_below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_below(folder)]


@pytest.mark.parametrize("content", ["text: é\n", b"\x00\xff", ""])
def test_what_is_written_is_there(tmp_path: Path, content: str | bytes) -> None:
    write_atomically(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names_below(tmp_path) == ["a"]


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_atomically(tmp_path / "a", "old")
    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert names_below(tmp_path) == ["a"]


def test_a_value_that_is_not_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": "é"})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"a": "é"}
    assert names_below(tmp_path) == ["a.json"]


def test_a_write_into_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "a", "x")


def test_an_existing_file_is_not_created_again(tmp_path: Path) -> None:
    assert create_atomically(tmp_path / "a", "first")
    assert not create_atomically(tmp_path / "a", "second")
    assert (tmp_path / "a").read_text() == "first"
    assert names_below(tmp_path) == ["a"]


def test_a_folder_is_renamed_with_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "aside/inner").mkdir(parents=True)
    (tmp_path / "aside/inner/a").write_text("a")
    rename_folder(tmp_path / "aside", tmp_path / "final")
    assert names_below(tmp_path) == ["final/inner/a"]


def test_a_folder_is_not_renamed_over_another(tmp_path: Path) -> None:
    for name in ("aside", "final"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    with pytest.raises(OSError, match=r"not empty|exists"):
        rename_folder(tmp_path / "aside", tmp_path / "final")
    assert (tmp_path / "final/a").read_text() == "final"


def test_all_of_a_folder_is_flushed_and_so_is_its_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aside/inner").mkdir(parents=True)
    (tmp_path / "aside/inner/a").write_text("a")
    steps: list[str] = []
    sync, rename = files.flush_to_disk, os.rename

    def note_sync(path: Path) -> None:
        steps.append(path.name)
        sync(path)

    def note_rename(*paths: str) -> None:
        steps.append("rename")
        rename(*paths)

    monkeypatch.setattr(files, "flush_to_disk", note_sync)
    monkeypatch.setattr(os, "rename", note_rename)
    flush_folder(tmp_path / "aside")
    assert sorted(steps) == ["a", "aside", "inner"]
    rename_folder(tmp_path / "aside", tmp_path / "final")
    assert steps[steps.index("rename") + 1 :] == [tmp_path.name]


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    "touch",
    [
        lambda path: path.write_text("other"),
        alter_unseen,
        lambda path: path.unlink(),
        lambda path: (path.with_name("new").write_text("old"), path.with_name("new").replace(path)),
    ],
    ids=["written", "altered with the old time", "removed", "replaced by an equal file"],
)
def test_a_watch_tells_that_a_file_was_touched(tmp_path: Path, touch: Callable[[Path], object]) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("untouched")
    watch = ChangeDetector([tmp_path / "b", tmp_path / "a"])
    watch.check()
    touch(tmp_path / "a")
    with pytest.raises(SourceChanged, match=re.escape(f"{tmp_path / 'a'}: changed while it was read. Run again")):
        watch.check()


def test_a_watch_cannot_begin_on_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match=re.escape(f"{tmp_path / 'gone'}: changed while it was read. Run again")):
        ChangeDetector([tmp_path / "gone"])


@pytest.mark.usefixtures("later")
def test_an_untouched_file_is_hashed_once(tmp_path: Path, hashed: list[str]) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    found = [StatCache(tmp_path / "memo").digest(tmp_path / "a") for _ in range(3)]
    assert found == [digest_of_file(tmp_path / "a")] * 3
    assert hashed == ["a"]


@pytest.mark.usefixtures("later")
def test_of_several_files_only_the_touched_is_hashed_again(tmp_path: Path, hashed: list[str]) -> None:
    (tmp_path / "data/inner").mkdir(parents=True)
    for name in ("a", "inner/b"):
        (tmp_path / "data" / name).write_text(name)
    memo = StatCache(tmp_path / "memo")
    before = memo.digests(tmp_path / "data", ["a", "inner/b"])
    (tmp_path / "data/inner/b").write_text("other words")
    after = memo.digests(tmp_path / "data", ["a", "inner/b"])
    assert hashed == ["a", "b", "b"]
    assert after == {"a": before["a"], "inner/b": digest_of_file(tmp_path / "data/inner/b")}


@pytest.mark.usefixtures("later")
def test_a_flipped_bit_is_found_though_size_and_time_are_restored(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    memo = StatCache(tmp_path / "memo")
    before, stat = memo.digest(file), file.stat()
    alter_unseen(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert memo.digest(file) == digest_of_file(file) != before


@pytest.mark.usefixtures("later")
def test_files_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_text(folder)
    memo = StatCache(tmp_path / "memo")
    assert len({memo.digest(tmp_path / folder / "a") for folder in ("one", "other") * 2}) == 2


def test_a_file_just_written_is_not_remembered(tmp_path: Path, hashed: list[str]) -> None:
    """It could be written to again within one tick of its clock and look the same."""
    (tmp_path / "a").write_bytes(b"abc")
    memo = StatCache(tmp_path / "memo")
    assert memo.digest(tmp_path / "a") == memo.digest(tmp_path / "a")
    assert hashed == ["a", "a"]
    assert not (tmp_path / "memo").exists()


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b'{"a": 1}', b'{"a": [1, "x"]}', b'{"a": [[], 1]}', b"\xff"]
)
def test_a_damaged_memo_is_written_anew(tmp_path: Path, hashed: list[str], damage: bytes) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    memo = StatCache(tmp_path / "memo")
    memo.digest(tmp_path / "a")
    (remembered,) = (tmp_path / "memo").iterdir()
    remembered.write_bytes(damage)
    assert [memo.digest(tmp_path / "a") for _ in range(2)] == [digest_of_file(tmp_path / "a")] * 2
    assert hashed == ["a", "a"]


@pytest.mark.usefixtures("later")
def test_a_memo_that_was_altered_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    memo = StatCache(tmp_path / "memo")
    digest = memo.digest(tmp_path / "a")
    (remembered,) = (tmp_path / "memo").iterdir()
    remembered.write_text(remembered.read_text().replace(digest, "00" * 32))
    assert memo.digest(tmp_path / "a") == digest


@pytest.mark.usefixtures("later")
def test_what_is_worked_out_of_a_file_is_remembered_with_its_version(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    worked: list[str] = []

    def work(path: Path) -> dict[str, object]:
        worked.append(path.name)
        return {"size": len(path.read_bytes()), "words": ["é", None]}

    memo = StatCache(tmp_path / "memo")
    found = [memo.recall(tmp_path, ["a"], work, version) for version in ("1", "1", "2", "1", "2")]
    assert found == [{"a": {"size": 3, "words": ["é", None]}}] * 5
    assert worked == ["a", "a"]


@pytest.mark.fault(12)
def test_processes_that_write_one_memo_at_a_time_leave_it_whole(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(20):
        (tmp_path / f"data/{number}").write_text(str(number))
    remember = (
        "import sys; from pathlib import Path; from gristmill.util import files\n"
        "files.MIN_AGE_NS = 0\n"
        "for name in sys.argv[2:]: files.StatCache(Path('memo')).digests(Path(sys.argv[1]), [name])"
    )
    command = [sys.executable, "-c", remember, str(tmp_path / "data")]
    names = [str(number) for number in range(20)]
    parts = [subprocess.Popen([*command, *some], cwd=tmp_path) for some in (names, names[::-1])]
    assert [part.wait(60) for part in parts] == [0, 0]
    (remembered,) = (tmp_path / "memo").iterdir()  # nothing half-written beside it
    known = files._load(remembered)
    assert known
    assert {name: digest for name, (_, digest) in known.items()} == {
        name: digest_of_file(tmp_path / "data" / name) for name in known
    }


@pytest.mark.usefixtures("later")
def test_a_memo_that_cannot_be_written_costs_only_the_hashing(tmp_path: Path, hashed: list[str]) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "file").write_text("stands where the memo should")
    memo = StatCache(tmp_path / "file" / "memo")
    assert memo.digest(tmp_path / "a") == memo.digest(tmp_path / "a") == digest_of_file(tmp_path / "a")
    assert hashed == ["a", "a"]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        StatCache(tmp_path / "memo").digests(tmp_path, ["gone"])


@pytest.mark.usefixtures("later")
@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_a_file_whose_name_is_not_utf8_is_hashed_like_any(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.csv")
    file.write_bytes(b"1")
    assert StatCache(tmp_path / "memo").digest(file) == digest_of_file(file)
