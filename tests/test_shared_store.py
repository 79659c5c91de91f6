"""A store that machines share, by the real command: what one machine made is fresh, served and listed on the others."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT, SMALL
from gristmill.runs.records import Record
from gristmill.util.files import files_below
from helpers.buckets import names, spoil
from helpers.support import Command, made, the_error

pytest_plugins = ["helpers.end_to_end", "helpers.shared_store"]

LIGHT = """
import atexit, sys
heavy = ("fsspec", "s3fs", "botocore", "gristmill.maintenance.shared", "prefect", "tensorflow")
atexit.register(lambda: sys.stderr.write(",".join(name for name in heavy if name in sys.modules)))
from gristmill.cli.app import main
main()
"""
"""The command, which says at its end what it has loaded of what a run with nothing to do has no need for."""

Go = Callable[[str], None]


@pytest.fixture
def go(shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Go to a machine, by its name: the same project, with a cache of its own."""
    monkeypatch.setenv("GRISTMILL_STORE", shared)

    def to(name: str) -> None:
        monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / name))

    return to


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api", "parity_here")
def test_what_runs_on_one_machine_is_fresh_and_serves_on_another(
    project: Path, shared: str, go: Go, command: Command, request: pytest.FixtureRequest
) -> None:
    go("here")
    ran = command("run", "small", "--json")
    assert ran.status == 0, ran.err
    assert (project / "here/shared-with").read_text() == shared
    assert len(names(shared, "artifacts")) == 5
    assert command("promote", "small").status == 0
    predicted = command("predict", "small")

    go("there")
    assert {step["state"] for step in command("plan", "small", "--json").json} == {"fresh"}
    again = command("run", "small", "--json")
    assert (again.status, again.json["id"]) == (0, ran.json["id"])  # the run of the other machine, which made it all
    assert command("predict", "small").out == predicted.out
    assert "v1" in command("models", "small").out
    (status,) = command("ls", "--json").json
    assert (status["state"], status["champion"]) == ("fresh", 1)
    assert [run["id"] for run in command("history", "small", "--json").json] == [ran.json["id"]]

    line, environment = [sys.executable, "-c", LIGHT, "run", "small"], os.environ | {"PYTHONPATH": str(ROOT)}
    nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}  # who would have to be asked
    warm = subprocess.run(line, env=environment | nobody, capture_output=True, text=True, timeout=300, check=False)
    assert (warm.returncode, warm.stderr) == (0, "")

    cached = {path.name for path in (project / "there").iterdir()}
    assert "evaluate" in cached  # whose scores were shown
    assert not cached & {"ingest", "preprocess", "train"}  # which nobody has read
    changed = command("run", "small", "--set", "evaluate.anomaly_level=0.98", "--json")
    assert changed.status == 0, changed.err
    assert made(
        Record.model_validate({key: value for key, value in changed.json.items() if key in Record.model_fields})
    ) == {"evaluate", "export"}
    cached = {path.name for path in (project / "there").iterdir()}
    assert {"preprocess", "train"} <= cached
    assert "ingest" not in cached

    request.getfixturevalue("unreachable")
    served = command("predict", "small")
    assert (served.status, served.out) == (0, predicted.out)
    assert "the shared store cannot be reached" in served.err
    refused = command("run", "small", "--set", "model.l2=3.0")
    assert refused.status == 1
    assert the_error(refused).startswith(f"{shared}/")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api")
def test_a_sweep_on_another_machine_tries_nothing_again_and_care_is_taken_of_all(
    project: Path, shared: str, go: Go, command: Command
) -> None:
    (project / "pipelines.toml").write_text(f"{SMALL}\n[pipelines.small.sweep]\nmodel.l2 = [0.1, 1.0]\n")
    go("here")
    here = command("sweep", "small", "--json")
    assert here.status == 0, here.err

    go("there")
    there = command("sweep", "small", "--json")
    assert (there.status, there.json) == (0, here.json)
    assert not list((project / "there/runs").glob("*/*"))  # no trial was made

    verified = command("verify")
    objects = len(names(shared, "objects"))
    assert (verified.status, verified.out) == (
        0,
        f"2 artifacts, {objects} shared objects, 6 shared manifests verified, 0 damaged.\n",
    )
    train = next(name for name in names(shared) if name.startswith("artifacts/train/"))
    spoil(shared, train)
    damaged = command("verify")
    assert damaged.status == 1
    assert damaged.out.startswith(f"{shared}/{train}: ")
    assert command("verify", "--repair").status == 0
    assert command("verify").status == 0
    collected = command("gc", "--dry-run")
    assert (collected.status, collected.out) == (0, "Would free 0.0 MiB in 0 items.\n")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api", "parity_here")
def test_a_cache_is_not_used_for_another_store(
    project: Path, shared: str, go: Go, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pipelines.toml").write_text(f"{SMALL}\n[pipelines.small.sweep]\nmodel.l2 = [0.1, 1.0]\n")
    go("here")
    ran = command("run", "small")  # the first use of the cache
    assert ran.status == 0, ran.err
    there = {path: path.read_bytes() for path in files_below(project / "here")}

    another = f"{shared}-another"
    monkeypatch.setenv("GRISTMILL_STORE", another)
    said = f"{project / 'here'}: this folder is the cache of {shared}, and the store is {another}. Correct GRISTMILL_"
    words = ("plan", "run", "retrain", "sweep", "promote", "predict", "models", "history", "show")
    for asked in (*([word, "small"] for word in words), ["ls"], ["verify"], ["gc"], ["doctor"]):
        refused = command(*asked)
        assert refused.status == 2, asked
        assert the_error(refused).startswith(said), asked

    assert names(another) == []
    assert {path: path.read_bytes() for path in files_below(project / "here")} == there

    monkeypatch.setenv("GRISTMILL_STORE", shared)
    assert command("run", "small").status == 0


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api")
def test_a_bucket_that_does_not_exist_is_an_error(
    project: Path, go: Go, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    go("here")
    monkeypatch.setenv("GRISTMILL_STORE", "s3://shraed/store")
    for word in ("plan", "run", "models", "history"):
        refused = command(word, "small")
        assert refused.status == 2, word
        assert the_error(refused) == (
            "s3://shraed/store: The specified bucket does not exist. "
            "Create it, or correct GRISTMILL_STORE or [defaults] store."
        ), word
    assert not (project / "here/shared-with").exists()
