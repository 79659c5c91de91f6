"""The registry: versions and bundles that stay as they are, a champion that survives kills, crowds and damage."""

import errno
import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from gristmill import keys
from gristmill.errors import CorruptArtifact, RequestError, StoreError
from gristmill.registry import ledger
from gristmill.registry.promotions import Promotion
from gristmill.registry.registry import Registry
from gristmill.registry.version import Git, Version
from gristmill.runs.records import Record, StageRecord
from gristmill.store.artifact import Artifact, Reference
from gristmill.store.store import Store
from gristmill.util import sealed_json
from gristmill.util.files import files_below
from gristmill.util.table_io import write_document
from helpers.support import heard, said

BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
GIT = Git(commit="c" * 40, dirty=True)
SCORES = {"headline": {"metric": "mae", "model": 2.0, "baseline": 2.5}, "parity": 1e-7, "best": None}
DECISION = {"verdict": "promoted", "why": "lower by 4 %"}
ALTERED = "altered since it was published (its SHA-256 does not hold)."


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Store(tmp_path))


def record(bundle: Artifact, **changed: Any) -> Record:
    """Return the record of a run that exported a bundle."""
    references = {"train": Reference(stage="train", key="aa", digest="11"), "export": bundle.reference}
    values: dict[str, Any] = {
        "id": "run-1",
        "pipeline": "small",
        "domain": "timeseries",
        "settings": {"train": {"epochs": 5, "learning_rate": 1e-3}},
        "overrides": ["train.epochs=5"],
        "started": BEGAN,
        "finished": BEGAN + timedelta(seconds=90),
        "outcome": "succeeded",
        "stages": {label: StageRecord(reference=ref, cached=False, seconds=1) for label, ref in references.items()},
        "versions": {"numpy": "2.1.0"},
        "host": "here",
        "pid": 1,
    }
    return Record(**values | changed)


def publish(root: Path, name: str) -> Artifact:
    """Publish a bundle."""
    store, made_of = Store(root), keys.identify("export", {}, {"bundle": {"name": name}}, {}, {})
    with store.draft(made_of) as draft:
        (draft.path / "model.keras").write_text(f"weights {name}")
        write_document(draft.path / "scores.json", SCORES)
        return store.publish(draft, made_of)


def register(root: Path, *names: str) -> list[Version]:
    """Publish bundles and make them versions."""
    registry = Registry(Store(root))
    return [registry.register(record(publish(root, name)), {"train": "ff"}, GIT, DECISION) for name in names]


def model_of(root: Path, version: Version) -> Path:
    """Return the file of a version's own model."""
    return Registry(Store(root)).folder(version) / "model.keras"


def flip(file: Path, at: int = -1) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def files(root: Path) -> list[str]:
    """Return the registry's files without those of bundles."""
    names = (path.relative_to(root).as_posix() for path in (root / "registry").rglob("*") if path.is_file())
    return sorted(name for name in names if "/bundles/" not in name)


def test_a_version_holds_all_that_is_known_of_a_bundle(registry: Registry, tmp_path: Path) -> None:
    made = record(publish(tmp_path, "b1"))
    before = datetime.now(UTC)

    version = registry.register(made, {"train": "ff"}, GIT, DECISION)

    assert before <= version.made <= datetime.now(UTC)
    assert version == Version(
        number=1,
        pipeline="small",
        domain="timeseries",
        run=made.id,
        settings=made.settings,
        overrides=["train.epochs=5"],
        references=made.references,
        scores=SCORES,
        versions={"numpy": "2.1.0"},
        git=GIT,
        code={"train": "ff"},
        made=version.made,
        decision=DECISION,
    )
    assert registry.version("small", 1) == version
    assert list(registry.versions("small")) == [version]
    assert registry.champion("small") is None
    assert registry.pipelines() == ["small"]


def test_versions_are_numbered_and_come_newest_first(registry: Registry, tmp_path: Path) -> None:
    made = register(tmp_path, *(f"b{number}" for number in range(12)))

    assert [version.number for version in made] == list(range(1, 13))
    assert list(registry.versions("small")) == made[::-1]
    assert files(tmp_path) == [f"registry/small/versions/{number:06d}.json" for number in range(1, 13)]


def test_the_same_bundle_is_one_version_whichever_run_led_to_it(registry: Registry, tmp_path: Path) -> None:
    first, second = register(tmp_path, "b1", "b2")

    again = registry.register(record(publish(tmp_path, "b1"), id="later"), {}, Git(), {})

    assert again == first
    assert list(registry.versions("small")) == [second, first]


@pytest.mark.parametrize("table", ["source", "ingest", "preprocess"])
def test_the_same_bundle_with_other_settings_to_predict_with_is_another_version(
    registry: Registry, tmp_path: Path, table: str
) -> None:
    bundle = publish(tmp_path, "b1")
    first, second = (
        registry.register(record(bundle, settings={table: {"key": value}, "train": {}}), {}, GIT, DECISION)
        for value in (1, 2)
    )

    assert (first.number, second.number, registry.folder(first)) == (1, 2, registry.folder(second))
    again = record(bundle, settings={table: {"key": 1}, "train": {"epochs": 7}})
    assert registry.register(again, {}, GIT, DECISION) == first


def test_the_same_bundle_with_other_code_that_cleans_is_another_version(registry: Registry, tmp_path: Path) -> None:
    made = record(publish(tmp_path, "b1"))
    numbers = [registry.register(made, {"source.prepare": code}, GIT, DECISION).number for code in ("aa", "bb", "aa")]

    assert numbers == [1, 2, 1]


def test_a_run_that_exported_nothing_is_no_version(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as raised:
        registry.register(record(publish(tmp_path, "b1"), stages={}), {}, GIT, DECISION)
    assert str(raised.value) == "run 'run-1' of pipeline 'small' exported no model. Choose another run."


def test_pipelines_keep_apart(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1", "b2")
    other = registry.register(record(publish(tmp_path, "b1"), pipeline="other"), {}, GIT, DECISION)
    registry.promote("small", 2, "better")

    assert (other.number, registry.pipelines(), registry.champion("other")) == (1, ["other", "small"], None)


def test_every_move_of_the_champion_is_kept(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1", "b2")

    first = registry.promote("small", 1, "the first")
    second = registry.promote("small", 2, "better")

    assert registry.champion("small") == registry.version("small", 2)
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    assert first == Promotion(
        number=1, pipeline="small", version=1, previous=None, line=[], when=first.when, why="the first", by=by
    )  # fmt: skip
    assert (second.number, second.version, second.previous, second.line, second.why) == (2, 2, 1, [1], "better")
    assert list(registry.promotions("small")) == [second, first]
    assert files(tmp_path) == [
        "registry/small/champion.json",
        "registry/small/promotions/000001.json",
        "registry/small/promotions/000002.json",
        "registry/small/versions/000001.json",
        "registry/small/versions/000002.json",
    ]


def test_promoting_the_champion_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1")
    first = registry.promote("small", 1, "the first")
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}

    assert registry.promote("small", 1, "once more") == first
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.parametrize(("bundles", "known"), [((), "none"), (("b1", "b2"), "v2, v1")])
def test_a_version_that_is_not_there_is_said_with_those_that_are(
    registry: Registry, tmp_path: Path, bundles: tuple[str, ...], known: str
) -> None:
    register(tmp_path, *bundles)
    for ask in (lambda: registry.version("small", 3), lambda: registry.promote("small", 3, "why not")):
        with pytest.raises(RequestError) as raised:
            ask()
        assert str(raised.value) == f"pipeline 'small' has no version 3. Known: {known}."
    assert list(registry.promotions("small")) == []


def test_rolling_back_leads_to_who_served_before_and_never_to_who_did_not(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1", "b2", "b3", "b4")
    for number in (1, 2):
        registry.promote("small", number, "better")

    back = registry.rollback("small", "it forecasts nonsense")
    assert (back.version, back.previous, back.line, back.why) == (1, 2, [], "it forecasts nonsense")
    registry.promote("small", 4, "better")

    assert registry.rollback("small", "so does this").version == 1  # neither v3 nor v2, which was rolled back
    with pytest.raises(RequestError) as raised:
        registry.rollback("small", "and this")
    assert str(raised.value) == (
        "pipeline 'small': no version served before its champion, v1, and no run has read newer data. Choose a "
        "version: gristmill models small, then: gristmill promote small VERSION."
    )
    assert registry.champion("small") == registry.version("small", 1)


def test_rollbacks_one_after_the_other_lead_further_and_further_back(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1", "b2", "b3")
    for number in (3, 1, 2, 3, 1):
        registry.promote("small", number, "tried")

    assert [registry.rollback("small", "worse").version for _ in range(4)] == [3, 2, 1, 3]
    assert [promotion.previous for promotion in registry.promotions("small")] == [1, 2, 3, 1, 3, 2, 1, 3, None]


def test_no_rollback_leads_to_a_damaged_version(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = register(tmp_path, "b1", "b2", "b3")
    for version in (first, second, first, third):
        registry.promote("small", version.number, "better")
    flip(model_of(tmp_path, first))

    with heard(caplog):
        assert registry.rollback("small", "worse").line == [1]

    assert said(caplog) == [f"{model_of(tmp_path, first)}: {ALTERED} v1 of small cannot be used and is skipped."]
    assert registry.promoted("small") == 2
    with pytest.raises(CorruptArtifact, match=r": no version that served before the champion can be used\. v1: "):
        registry.rollback("small", "worse")
    assert registry.promoted("small") == 2


def test_the_champion_does_not_come_before_itself(registry: Registry, tmp_path: Path) -> None:
    _, second, _ = register(tmp_path, "b1", "b2", "b3")
    for number in (3, 1, 2, 1):
        registry.promote("small", number, "better")
    flip(model_of(tmp_path, second))

    assert registry.rollback("small", "worse").version == 3  # past v2, which is damaged, and v1, which serves


def test_a_challenger_replaces_only_the_champion_that_it_was_judged_beside(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1", "b2", "b3")

    assert registry.promote("small", 1, "the first", judged=0).version == 1
    assert registry.promote("small", 2, "the first as well", judged=0).version == 1
    meanwhile = registry.promote("small", 3, "by hand")
    assert registry.promote("small", 2, "better than v1", judged=1) == meanwhile
    assert registry.promoted("small") == 3
    assert registry.promote("small", 2, "better than v3", judged=3).version == 2
    assert [promotion.version for promotion in registry.promotions("small")] == [2, 3, 1]


def test_a_promotion_that_comes_between_looking_and_promoting_stands(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(tmp_path, "b1", "b2", "b3")
    registry.promote("small", 1, "the first")
    create = ledger.create_atomically

    def overtaken(path: Path, content: str) -> bool:
        monkeypatch.setattr(ledger, "create_atomically", create)
        registry.promote("small", 3, "by hand")
        return create(path, content)

    monkeypatch.setattr(ledger, "create_atomically", overtaken)

    assert registry.promote("small", 2, "better than v1", judged=1).why == "by hand"
    assert registry.promoted("small") == 3


def test_who_was_judged_beside_a_stand_in_replaces_the_damaged_champion(registry: Registry, tmp_path: Path) -> None:
    _, second, _ = register(tmp_path, "b1", "b2", "b3")
    for number in (1, 2):
        registry.promote("small", number, "better")
    flip(model_of(tmp_path, second))

    assert registry.promote("small", 3, "better than v1", judged=1).line == [2, 1]


def test_only_a_person_replaces_a_held_champion(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1", "b2", "b3")
    for number in (1, 2):
        registry.promote("small", number, "better", number - 1, run="run-1")

    held = registry.promote("small", 2, "asked for", hold=True)

    assert registry.hold("small") == held == registry.promote("small", 2, "asked for", hold=True)
    assert [(one.held, one.run) for one in registry.promotions("small")] == [(True, None), *[(False, "run-1")] * 2]
    assert registry.promote("small", 3, "better than v2", judged=2, run="run-3") == held
    back = registry.rollback("small", "worse")
    assert (back.version, back.held) == (1, True)
    assert registry.promote("small", 3, "better than v1", judged=1) == back
    assert not registry.promote("small", 1, "asked for").held
    assert registry.promote("small", 3, "better than v1", judged=1).version == 3


def test_without_a_champion_there_is_nothing_to_roll_back(registry: Registry, tmp_path: Path) -> None:
    register(tmp_path, "b1")
    with pytest.raises(RequestError) as raised:
        registry.rollback("small", "why not")
    assert str(raised.value) == "pipeline 'small' has no champion. Run: gristmill promote small."


CROWD = """
import sys, time
from pathlib import Path
sys.path[:0] = ["tests", "tests/gristmill/registry"]
from test_registry import DECISION, GIT, publish, record
from gristmill.registry.registry import Registry
from gristmill.store.store import Store
root, own = Path(sys.argv[1]), int(sys.argv[2])
registry = Registry(Store(root))
print("ready", flush=True)
sys.stdin.readline()
for turn in range(6):
    registry.register(record(publish(root, f"shared {turn}")), {}, GIT, DECISION)
    version = registry.register(record(publish(root, f"own {own} {turn}")), {}, GIT, DECISION)
    print(registry.promote("small", version.number, f"{own} {turn}").number)
"""
"""A process that registers a bundle that all register and one of its own, and promotes the latter, six times."""


@pytest.mark.slow
@pytest.mark.fault(12)
def test_a_crowd_loses_no_promotion_and_leaves_a_whole_pointer(registry: Registry, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", CROWD, str(tmp_path), str(own)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for own in range(4)
    ]
    for process in crowd:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    ended = []
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in crowd:
        out, err = process.communicate()
        assert process.returncode == 0, err
        ended.extend(int(number) for number in out.split())

    assert sorted(ended) == list(range(1, 25))  # each got a number of its own, and none is missing
    promotions = list(registry.promotions("small"))
    assert [promotion.number for promotion in promotions] == list(range(24, 0, -1))
    assert sorted(promotion.why for promotion in promotions) == sorted(f"{o} {t}" for o in range(4) for t in range(6))
    assert [later.previous for later in promotions] == [*(before.version for before in promotions[1:]), None]
    versions = list(registry.versions("small"))
    assert [version.number for version in versions] == list(range(30, 0, -1))
    assert len({version.references["export"]["key"] for version in versions}) == 30  # what all registered is one each
    assert sealed_json.read(tmp_path / "registry/small/champion.json", Promotion) == promotions[0]
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.fault(1)
def test_a_promotion_cut_off_before_the_pointer_moved_holds(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    register(tmp_path, "b1", "b2", "b3")
    registry.promote("small", 1, "the first")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.promote("small", 2, "cut off")
    pointer = tmp_path / "registry/small/champion.json"
    assert json.loads(pointer.read_bytes())["version"] == 1

    with heard(caplog):
        assert registry.champion("small") == registry.version("small", 2)
    assert said(caplog) == []

    assert registry.promote("small", 2, "once more").why == "cut off"
    assert json.loads(pointer.read_bytes())["version"] == 2
    assert registry.promote("small", 3, "goes on").previous == 2


def test_who_is_overtaken_while_moving_the_pointer_leaves_it_at_the_later_promotion(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(tmp_path, "b1", "b2")
    write = Store.write

    def overtaken(store: Store, path: Path, content: str) -> None:
        monkeypatch.setattr(Store, "write", write)
        registry.promote("small", 2, "overtakes")
        write(store, path, content)

    monkeypatch.setattr(Store, "write", overtaken)
    registry.promote("small", 1, "slow")

    assert sealed_json.read(tmp_path / "registry/small/champion.json", Promotion).why == "overtakes"
    assert [promotion.why for promotion in registry.promotions("small")] == ["overtakes", "slow"]


def test_what_a_kill_leaves_before_the_number_is_taken_is_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(tmp_path, "b1")

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.promote("small", 1, "cut off")

    assert registry.champion("small") is None
    assert files(tmp_path) == ["registry/small/versions/000001.json"]


def test_a_bundle_that_a_kill_left_without_its_version_is_the_next_ones(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "create_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            register(tmp_path, "b1")
    assert list(registry.versions("small")) == []
    (left,) = registry.orphan_bundles()

    (version,) = register(tmp_path, "b1")

    assert (version.number, registry.bundle(version)) == (1, left)
    assert list(registry.orphan_bundles()) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda pointer: pointer.unlink(), "cannot be read (No such file or directory)."),
        (lambda pointer: pointer.write_bytes(b""), "not a promotion."),
        (lambda pointer: pointer.write_bytes(pointer.read_bytes()[:40]), "not a promotion."),
        (lambda pointer: pointer.write_text("[1]"), "not a promotion."),
        (lambda pointer: pointer.write_text(pointer.read_text().replace("2,", "1,")), "altered since it was written."),
    ],
    ids=["gone", "empty", "cut", "list", "altered"],
)
def test_without_a_sound_pointer_the_latest_promotion_holds(
    registry: Registry,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
    told: str,
) -> None:
    register(tmp_path, "b1", "b2")
    for number in (1, 2):
        registry.promote("small", number, "better")
    pointer = tmp_path / "registry/small/champion.json"
    whole = pointer.read_bytes()
    damage(pointer)

    with heard(caplog):
        assert registry.champion("small") == registry.version("small", 2)

    assert said(caplog) == [f"{pointer}: {told} Using the latest promotion: v2."]
    assert registry.promote("small", 2, "once more").number == 2  # which mends the pointer
    assert pointer.read_bytes() == whole


def test_without_pointer_and_promotions_there_is_no_champion(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register(tmp_path, "b1")
    registry.promote("small", 1, "better")
    pointer, promotion = (tmp_path / "registry/small" / name for name in ("champion.json", "promotions/000001.json"))
    for path in (pointer, promotion):
        path.write_text("{}")

    with heard(caplog):
        assert registry.champion("small") is None

    assert said(caplog) == [
        f"{promotion}: not a promotion. Skipped.",
        f"{pointer}: not a promotion. There is no readable promotion, so there is no champion.",
    ]
    assert registry.promote("small", 1, "anew").number == 2


def test_a_damaged_promotion_is_passed_over_and_its_number_not_given_again(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register(tmp_path, "b1", "b2", "b3")
    for number in (1, 2):
        registry.promote("small", number, "better")
    damaged = tmp_path / "registry/small/promotions/000002.json"
    flip(damaged)

    with heard(caplog):
        assert [promotion.number for promotion in registry.promotions("small")] == [1]
    assert said(caplog) == [f"{damaged}: not a promotion. Skipped."]
    champion = registry.champion("small")
    assert champion is not None
    assert champion.number == 2  # the pointer knows
    damaged.unlink()
    third = registry.promote("small", 3, "better")
    assert (third.number, third.previous) == (3, 2)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "cannot be read (No such file or directory)."),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "not a version."),
        (lambda path: path.write_text(path.read_text().replace("0.001", "0.002")), "altered since it was written."),
        (lambda path: path.write_bytes(path.with_name("000001.json").read_bytes()), "holds another version."),
    ],
    ids=["gone", "cut", "altered", "another"],
)
def test_where_the_champions_file_is_damaged_the_version_before_it_stands_in(
    registry: Registry,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
    told: str,
) -> None:
    first, _ = register(tmp_path, "b1", "b2")
    for number in (1, 2):
        registry.promote("small", number, "better")
    path = tmp_path / "registry/small/versions/000002.json"
    damage(path)

    with heard(caplog):
        assert registry.champion("small") == first

    assert said(caplog) == [f"{path}: {told} v2 of small cannot be used; v1 is used instead."]
    (third,) = register(tmp_path, "b3")
    assert third.number == 3  # 2 was promoted and stays what it was


def test_a_damaged_version_is_passed_over_and_said_where_it_is_asked_for(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, _, third = register(tmp_path, "b1", "b2", "b3")
    path = tmp_path / "registry/small/versions/000002.json"
    path.write_text(path.read_text().replace("2.0", "1.0"))

    with heard(caplog):
        assert list(registry.versions("small")) == [third, first]

    assert said(caplog) == [f"{path}: altered since it was written. Skipped."]
    with pytest.raises(CorruptArtifact) as raised:
        registry.version("small", 2)
    assert str(raised.value) == f"{path}: altered since it was written."
    with pytest.raises(CorruptArtifact) as raised:
        registry.promote("small", 2, "why not")
    assert str(raised.value) == (
        f"{path}: altered since it was written. v2 of small was not promoted. Choose another: gristmill models small. "
        "Or make one: gristmill run small, then gristmill promote small."
    )


@pytest.mark.slow
@pytest.mark.fault(9)
def test_every_flipped_bit_of_a_version_is_noticed(registry: Registry, tmp_path: Path) -> None:
    (version,) = register(tmp_path, "b1")
    path = tmp_path / "registry/small/versions/000001.json"
    for at in range(path.stat().st_size):
        flip(path, at)
        with pytest.raises(CorruptArtifact):
            registry.version("small", 1)
        flip(path, at)
    assert registry.version("small", 1) == version


def test_a_champion_whose_bundle_is_damaged_gives_way_to_the_last_sound_version_that_served_before_it(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    versions = register(tmp_path, "b1", "b2", "b3", "b4")
    for number in (1, 4, 3):
        registry.promote("small", number, "better")
    assert registry.champion("small", verified=True) == versions[2]
    served, before = (model_of(tmp_path, versions[number - 1]) for number in (3, 4))
    flip(served)
    before.unlink()

    with heard(caplog):
        assert registry.champion("small", verified=True) == versions[0]  # and not v2, which never served

    assert said(caplog) == [
        f"{served}: {ALTERED} v3 of small cannot be used; v1 is used instead.",
        f"{before}: missing, though its manifest lists it. v4 of small cannot be used; v1 is used instead.",
    ]
    assert registry.champion("small") == versions[2]  # as promoted, whatever has become of its bundle


def test_where_no_version_is_sound_every_damage_is_said(registry: Registry, tmp_path: Path) -> None:
    _, second = register(tmp_path, "b1", "b2")
    for number in (1, 2):
        registry.promote("small", number, "better")
    flip(model_of(tmp_path, second))
    (tmp_path / "registry/small/versions/000001.json").write_text("")

    with pytest.raises(CorruptArtifact) as raised:
        registry.champion("small", verified=True)

    assert str(raised.value) == (
        f"pipeline 'small': no version can be used. v2: {model_of(tmp_path, second)}: {ALTERED} "
        f"v1: {tmp_path}/registry/small/versions/000001.json: not a version. "
        "Run: gristmill run small, then: gristmill promote small."
    )


def test_damages_are_found_file_by_file_and_a_pointer_that_is_gone_is_written_again(
    registry: Registry, tmp_path: Path
) -> None:
    register(tmp_path, "b1", "b2")
    registry.promote("small", 2, "better")
    assert [damage for _, damage in registry.damages()] == [None] * 4
    pointer, version = (tmp_path / "registry/small" / name for name in ("champion.json", "versions/000001.json"))
    whole = pointer.read_bytes()
    for path in (pointer, version):
        flip(path)

    assert {path: damage for path, damage in registry.damages() if damage} == {
        pointer: f"{pointer}: not a promotion.",
        version: f"{version}: not a version.",
    }
    pointer.unlink()
    registry.repair_pointers()
    assert pointer.read_bytes() == whole


@pytest.mark.fault(15)
def test_a_full_disk_is_said(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = record(publish(tmp_path, "b1"))

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=f"^{re.escape(str(tmp_path))}: the disk is full. Free space "):
        registry.register(bundle, {}, GIT, DECISION)
    assert list(registry.versions("small")) == []


def test_damages_of_a_store_without_versions_are_none(registry: Registry) -> None:
    assert list(registry.damages()) == []
    assert list(registry.versions("small")) == []
    assert registry.champion("small", verified=True) is None


def publish_files(root: Path, weights: str = "weights") -> Artifact:
    """Publish a bundle over the one that is there, as --refresh does: under the same key, with other bytes."""
    store, made_of = Store(root), keys.identify("export", {}, {}, {}, {})
    with store.draft(made_of) as draft:
        (draft.path / "saved_model/assets").mkdir(parents=True)
        (draft.path / "saved_model/variables").write_text(weights)
        (draft.path / "model.keras").write_text(weights)
        return store.publish(draft, made_of, replace=True)


def version_of(bundle: Artifact) -> Version:
    """Return a version that names nothing but its bundle."""
    return Version.model_construct(number=1, pipeline="small", references={"export": bundle.reference})


def taken(root: Path) -> Version:
    """Publish a bundle and take it."""
    version = version_of(publish_files(root))
    Registry(Store(root)).add_bundle(version)
    return version


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_below(folder)}


def test_a_bundle_is_taken_whole_and_without_room(registry: Registry, tmp_path: Path) -> None:
    artifact = publish_files(tmp_path)

    own = registry.add_bundle(version_of(artifact))

    assert own == registry.folder(version_of(artifact)) == registry.bundle(version_of(artifact))
    assert contents(own) == contents(artifact.path)
    assert (own / "saved_model/assets").is_dir()
    assert (own / "model.keras").samefile(artifact.path / "model.keras")
    assert list(own.parent.iterdir()) == [own]


def test_a_bundle_stays_what_it_is_when_the_stores_is_replaced_collected_or_gone(
    registry: Registry, tmp_path: Path
) -> None:
    version = taken(tmp_path)
    before = contents(registry.folder(version))

    other = publish_files(tmp_path, "other weights")
    assert other.reference["key"] == version.references["export"]["key"]
    for gone in (tmp_path / "quarantine", tmp_path / "export"):
        shutil.rmtree(gone)

    assert contents(registry.bundle(version)) == before


def test_two_bundles_of_one_key_lie_side_by_side(registry: Registry, tmp_path: Path) -> None:
    first, second = taken(tmp_path), version_of(publish_files(tmp_path, "other weights"))
    registry.add_bundle(second)

    assert (registry.bundle(first) / "model.keras").read_text() == "weights"
    assert (registry.bundle(second) / "model.keras").read_text() == "other weights"


def test_where_nothing_can_be_linked_the_bundle_is_copied(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    artifact = publish_files(tmp_path)

    own = registry.add_bundle(version_of(artifact))

    assert contents(own) == contents(artifact.path)
    assert not (own / "model.keras").samefile(artifact.path / "model.keras")


def test_a_damaged_artifact_is_not_taken(registry: Registry, tmp_path: Path) -> None:
    artifact = publish_files(tmp_path)
    (artifact.path / "model.keras").write_text("damaged")

    with pytest.raises(CorruptArtifact) as raised:
        registry.add_bundle(version_of(artifact))

    assert str(raised.value) == f"{artifact.path}/model.keras: {ALTERED}"
    assert not (tmp_path / "registry").exists()


def test_what_is_replaced_while_it_is_taken_is_not_taken(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it would be of the one, half of the other."""
    artifact, link = publish_files(tmp_path), Path.hardlink_to

    def refreshed_meanwhile(self: Path, target: Path) -> None:
        link(self, target)
        monkeypatch.setattr(Path, "hardlink_to", link)
        publish_files(tmp_path, "other weights")

    monkeypatch.setattr(Path, "hardlink_to", refreshed_meanwhile)
    with pytest.raises(CorruptArtifact) as raised:
        registry.add_bundle(version_of(artifact))

    assert str(raised.value) == f"{artifact.path}: replaced or removed while it was registered. Try again."
    assert list((tmp_path / "registry/small/bundles").iterdir()) == []


@pytest.mark.fault(1)
def test_what_a_kill_leaves_behind_is_not_seen_and_cleared_away_by_the_next(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = version_of(publish_files(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a kill clears nothing away
        patch.setattr("gristmill.registry.registry.flush_folder", _killed)
        with pytest.raises(KeyboardInterrupt):
            registry.add_bundle(version)
    (left,) = (tmp_path / "registry/small/bundles").iterdir()
    left.rename(left.with_name(left.name.replace(f"~{os.getpid()}~", f"~{2**22 + 1}~")))  # no process has this id
    with pytest.raises(CorruptArtifact):
        registry.bundle(version)

    own = registry.add_bundle(version)

    assert list(own.parent.iterdir()) == [own]


def test_a_damaged_bundle_is_restored_from_the_store_and_the_damaged_one_moved_aside(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version = taken(tmp_path)
    model = registry.folder(version) / "model.keras"
    model.unlink()
    model.write_text("damaged")

    with heard(caplog):
        assert registry.restore(version)

    (aside,) = (tmp_path / "quarantine").iterdir()
    assert said(caplog) == [f"{model}: {ALTERED} Moved to {aside} and replaced."]
    assert (aside / "model.keras").read_text() == "damaged"
    assert (registry.bundle(version) / "model.keras").read_text() == "weights"


def test_a_bundle_that_the_store_has_no_more_is_given_up_until_it_is_taken_again(
    registry: Registry, tmp_path: Path
) -> None:
    version = taken(tmp_path)
    folder = registry.folder(version)
    (folder / "model.keras").write_text("damaged")  # in place: the store's too

    assert not registry.restore(version)

    assert registry.is_given_up(version)
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
    with pytest.raises(CorruptArtifact) as raised:
        registry.bundle(version)
    assert str(raised.value) == f"{folder}/manifest.json: cannot be read (No such file or directory)."
    publish_files(tmp_path)
    assert registry.add_bundle(version) == folder
    assert not registry.is_given_up(version)
    assert (registry.bundle(version) / "model.keras").read_text() == "weights"


def test_by_stat_only_what_has_changed_is_read_again(registry: Registry, tmp_path: Path) -> None:
    version = taken(tmp_path)
    assert registry.bundle(version, by_stat=True) == registry.folder(version)
    (registry.folder(version) / "model.keras").write_text("damaged")
    with pytest.raises(CorruptArtifact):
        registry.bundle(version, by_stat=True)


@pytest.mark.fault(15)
def test_a_full_disk_stops_adding_a_bundle(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = version_of(publish_files(tmp_path))

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", full)
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: full(target, source))
    with pytest.raises(StoreError, match="the disk is full"):
        registry.add_bundle(version)


def _killed(_: Path) -> None:
    raise KeyboardInterrupt
