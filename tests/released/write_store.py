"""Write the store of a release: a tiny pipeline of each domain, its champion, and what the champion predicts.

PYTHONPATH=tests python tests/released/write_store.py             # the release of this checkout
PYTHONPATH=CHECKOUT:tests python tests/released/write_store.py    # another release

The path `/srv/gristmill`, the user `gristmill` and the host `released` in the store are placeholders.
"""

import json
import math
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

import gristmill
from helpers.small_photos import write_photos

PROJECT = Path("/srv/gristmill")  # messages and graphs may contain the folder
USER, HOST = "gristmill", "released"

PIPELINES = """
[pipelines.spots]
domain = "timeseries"
source = { kind = "csv", path = "spots.csv" }
ingest = { time = "month", target = "spots" }
preprocess = { history = 12, horizon = 2, validation = 30, test = 30 }
model = { kind = "linear" }

[pipelines.houses]
domain = "tabular"
source = { kind = "csv", path = "houses.csv" }
ingest = { target = "price", numbers = ["area"], categories = ["town"] }
model = { kind = "dense", units = [2] }
train = { epochs = 20, batch_size = 8, learning_rate = 0.1 }

[pipelines.films]
domain = "text"
source = { kind = "csv", path = "films.csv" }
ingest = { text = "review", label = "stars" }
preprocess = { length = 4, validation = 0.2, test = 0.25 }
model = { kind = "embedding", dimensions = 2, units = [] }
train = { epochs = 2, batch_size = 16, learning_rate = 0.05 }

[pipelines.shapes]
domain = "vision"
source = { kind = "folder", path = "photos" }
preprocess = { size = 8, test = 0.25, validation = 0.25 }
model = { kind = "cnn", filters = [2], units = [2] }
train = { epochs = 2, batch_size = 8, learning_rate = 0.01 }

[pipelines.lines]
domain = "generation"
source = { kind = "files", path = "lines.txt" }
preprocess = { length = 8 }
model = { kind = "gru", dimensions = 2, recurrent = [4] }
train = { epochs = 2, batch_size = 8, learning_rate = 0.05 }
evaluate = { order = 2, temperatures = [0.8], sample = 8 }
"""

CLASSES = """
[pipelines.towns]
domain = "tabular"
source = { kind = "csv", path = "houses.csv" }
ingest = { target = "town", task = "classification", numbers = ["area", "price"] }
model = { kind = "dense", units = [2] }
train = { epochs = 20, batch_size = 8, learning_rate = 0.1 }
"""
"""Releases since 0.3.0 also predict the classes of tables."""

UNUSED = ("elsewhere", "locks", "logs", "memo", "reports", "scratch")  # folders of the store

COMMAND = f"import socket; socket.gethostname = lambda: {HOST!r}; from gristmill.__main__ import main; main()"


def main() -> None:
    """Write `VERSION.tar.xz` next to this script."""
    checkout = Path(gristmill.__file__).parents[1]
    version = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["version"]
    pipelines = PIPELINES.replace('"tabular"', '"regression"') if version == "0.1.0" else PIPELINES
    if version not in ("0.1.0", "0.2.0"):
        pipelines += CLASSES
    PROJECT.mkdir(parents=True)
    write_data(PROJECT)
    (PROJECT / "pipelines.toml").write_text(pipelines)
    for name in tomllib.loads(pipelines)["pipelines"]:
        call("run", name)
        call("promote", name)
        answer = ("generate", name, "--length", "40", "--seed", "7") if name == "lines" else ("predict", name)
        (PROJECT / f"{name}.predicted").write_text(call(*answer))
    pack(PROJECT, Path(__file__).with_name(f"{version}.tar.xz"))


def pack(project: Path, archive: Path) -> None:
    """Write a project to an archive, without files that are not needed, and without names of the machine."""
    for path in project.glob("data/store/runs/*/*.json"):
        record = json.loads(path.read_text()) | {"process": ""}  # holds the ID of the machine's boot
        path.write_text(json.dumps(record, indent=2) + "\n")
    with tarfile.open(archive, "w:xz", preset=9) as members:
        members.add(project, ".", filter=without_names)


def write_data(folder: Path) -> None:
    """Write tiny files that every release reads."""
    months = (f"{1950 + month // 12}-{month % 12 + 1:02}-01" for month in range(150))
    spots = "".join(f"{month},{50 + 40 * math.sin(at / 9):.2f}\n" for at, month in enumerate(months))
    (folder / "spots.csv").write_text("month,spots\n" + spots)
    homes = [(40 + 3 * number, ("Ulm", "Bonn")[number * 7 % 3 % 2]) for number in range(40)]
    rows = "".join(f"{area},{town},{2 * area + (30 if town == 'Ulm' else 0)}\n" for area, town in homes)
    (folder / "houses.csv").write_text("area,town,price\n" + rows)
    words = [("dull", 0), ("stale", 0), ("lovely", 1), ("moving", 1)]
    reviews = [
        f"{start} {word} {noun},{stars}\n"
        for start in ("a", "the", "so")
        for word, stars in words
        for noun in ("film", "plot", "cast", "score")
    ]
    (folder / "films.csv").write_text("review,stars\n" + "".join(reviews))
    write_photos(folder / "photos", ["disc", "square"], 12)
    (folder / "lines.txt").write_text("the cat sat.\na dog ran off.\nthe dog sat.\na cat ran on.\n" * 8)


def call(*words: str) -> str:
    """Run a command of the release in the project and return what it prints."""
    environment = os.environ | {"LOGNAME": USER, "PREFECT_HOME": f"{tempfile.gettempdir()}/prefect-of-releases"}
    command = [sys.executable, "-c", COMMAND, *words]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout


def without_names(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return a member without its owner and time; None for what no champion needs, such as a report."""
    if member.name.startswith(tuple(f"./data/store/{name}" for name in UNUSED)):
        return None
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
