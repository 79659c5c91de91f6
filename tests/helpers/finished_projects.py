"""One finished project per domain: run once by the command, kept under `.pytest_cache/projects`, copied by tests.

A kept project lies in a folder named by the digest of all that its artifacts depend on: `gristmill`, `flows`, `tasks`,
the source of the tests that write it, and the installed packages. Two sessions that start at once build it once.

One process builds the projects of a session one after the other, for to load TensorFlow takes as long as a small run.
What a test has replaced in its own process is not replaced in that one.
"""

import fcntl
import io
import itertools
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from importlib.metadata import distributions
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, SMALL
from gristmill import keys
from gristmill.cli.app import main
from gristmill.export import bundle
from helpers.small_photos import write_photos
from helpers.small_projects import table_of, write_houses
from helpers.small_writers import TEXT
from helpers.support import here, write_project

KEPT = ROOT / ".pytest_cache/projects"
HELPERS = ("finished_projects", "small_photos", "small_projects", "small_writers", "support")
SOURCES = (
    *("gristmill", "flows", "tasks", "tests/conftest.py", "data/samples/sunspots.csv"),
    *(f"tests/helpers/{name}.py" for name in HELPERS),
)

FILMS = """
[pipelines.films]
domain = "text"
source = { kind = "jsonl", path = "films.jsonl" }
ingest = { text = "review", label = "stars", names = { 0 = "dull", 1 = "good" }, metadata = ["paper"] }
preprocess = { length = 6, validation = 0.2, test = 0.25 }
model = { kind = "embedding", dimensions = 4, units = [] }
train = { epochs = 2, batch_size = 16, learning_rate = 0.05 }
evaluate = { slices = ["paper"], neighbours = ["lovely"] }
"""

SHAPES = """
[pipelines.shapes]
domain = "vision"
source = { kind = "folder", path = "photos" }
preprocess = { size = 24, test = 0.25, validation = 0.25 }
model = { kind = "cnn", filters = [8], units = [16] }
train = { epochs = 4, batch_size = 8, learning_rate = 0.01 }
"""

WRITERS = """
[pipelines.letters]
domain = "generation"
source = { kind = "files", path = "text.txt" }
preprocess = { length = 10 }
model = { kind = "gru", dimensions = 4, recurrent = [8] }
train = { epochs = 2, batch_size = 8, learning_rate = 0.05 }
evaluate = { order = 2, temperatures = [0.8], sample = 20 }

[pipelines.lines]
domain = "generation"
source = { kind = "files", path = "text.txt" }
preprocess = { level = "word", lower = true, punctuation = "strip", examples = "prefixes", length = 5 }
model = { kind = "lstm", dimensions = 4, recurrent = [8] }
train = { epochs = 2, batch_size = 8, learning_rate = 0.05 }
evaluate = { order = 2, temperatures = [0.8], sample = 5, prompt = "the cat" }
"""

KINDS = {
    "dull": ["dreadful", "boring", "clumsy", "stale"],
    "good": ["lovely", "brilliant", "moving", "tendrement naïve"],
}
OPENINGS = ["What a", "Truly a", "Quite a", "A rather"]
NOUNS = ["film!", "plot.", "cast…", "score", "ending?", "script"]


def reviews() -> list[dict[str, object]]:
    """Return reviews of both kinds; only the adjective depends on the label."""
    adjectives = [(label, word) for label, words in enumerate(KINDS.values()) for word in words]
    return [
        {"review": f"{opening} {adjective} {noun}", "stars": label, "paper": opening.split()[0]}
        for (label, adjective), opening, noun in itertools.product(adjectives, OPENINGS, NOUNS)
    ]


def write_reviews(folder: Path, toml: str) -> None:
    """Write a project of labelled reviews."""
    (folder / "pipelines.toml").write_text(toml)
    (folder / "films.jsonl").write_text("".join(json.dumps(review) + "\n" for review in reviews()))


def _write_series(folder: Path) -> None:
    write_project(folder, SMALL)


def _write_houses(folder: Path) -> None:
    (folder / "pipelines.toml").write_text(table_of("tabular", "houses"))
    write_houses(folder, 3)


def _write_films(folder: Path) -> None:
    write_reviews(folder, FILMS)


def _write_shapes(folder: Path) -> None:
    (folder / "pipelines.toml").write_text(SHAPES)
    write_photos(folder / "photos", ["disc", "square"], 16)


def _write_writers(folder: Path) -> None:
    (folder / "pipelines.toml").write_text(WRITERS)
    (folder / "text.txt").write_text(TEXT)


DOMAINS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "timeseries": (_write_series, ("small",)),
    "tabular": (_write_houses, ("houses",)),
    "text": (_write_films, ("films",)),
    "vision": (_write_shapes, ("shapes",)),
    "generation": (_write_writers, ("letters", "lines")),
}
"""What writes the project of each domain, and the names of its pipelines."""


def find_or_build(domain: str, api: str) -> Path:
    """Return the kept project of a domain, whose pipelines have run; it must not be written to.

    Args:
        domain: one of `DOMAINS`.
        api: address of the Prefect server to build it with.
    """
    folder = KEPT / _digest()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / domain
    with (folder / f"{domain}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            _remove_old(folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".") as aside:
                project = Path(aside) / domain
                project.mkdir()
                _build(domain, project, api)
                project.rename(kept)
    return kept


def _build(domain: str, project: Path, api: str) -> None:
    write, pipelines = DOMAINS[domain]
    write(project)
    builder = _start_builder(api)
    builder.send((project, pipelines))
    problem = builder.recv()
    assert not problem, problem


@cache
def _start_builder(api: str) -> "Connection[Any, Any]":
    """Return the connection to a process that runs the pipelines it is sent and answers with what went wrong."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with pytest.MonkeyPatch.context() as patch:  # its environment is this one's when it starts
        patch.setenv("PREFECT_API_URL", api)
        patch.setenv("PYTHONPATH", str(ROOT))
        context.Process(target=_run_on_request, args=(theirs,), daemon=True).start()
    theirs.close()  # so that its end is noticed
    return ours


def _run_on_request(requests: "Connection[Any, Any]") -> None:
    """Run the command for each pipeline, with its reload of models in this process, which has loaded TensorFlow."""
    bundle.fresh_process = here
    while True:
        project, pipelines = requests.recv()
        os.chdir(project)
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            statuses = [_run(name) for name in pipelines]
        requests.send(printed.getvalue() if any(statuses) else "")


def _run(pipeline: str) -> int | str | None:
    sys.argv = ["gristmill", "--quiet", "run", pipeline]
    try:
        main()
    except SystemExit as ended:
        return ended.code
    return None


def _remove_old(folder: Path) -> None:
    """Remove the projects of other digests, except the newest, which a session that is still running may copy."""
    others = sorted(set(KEPT.iterdir()) - {folder}, key=lambda path: path.stat().st_mtime)
    for path in others[:-1]:
        shutil.rmtree(path, ignore_errors=True)


@cache
def _digest() -> str:
    files = [path for source in SOURCES for path in [ROOT / source, *(ROOT / source).rglob("*")] if path.is_file()]
    code = {
        str(path.relative_to(ROOT)): keys.digest_of_bytes(path.read_bytes())
        for path in files
        if "__pycache__" not in path.parts
    }
    packages = sorted({f"{package.name} {package.version}" for package in distributions()})
    return keys.digest_of([sys.version, packages, code])[:32]
