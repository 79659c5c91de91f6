"""Groups, summaries and examples of the commands, for `--help` and the reference."""

import inspect
from collections.abc import Callable
from typing import Any

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "Set up": {
        "init": (
            "gristmill init shop --data sales.csv",
            "gristmill init birds --data https://example.org/birds.zip",
        ),
        "schema": ("gristmill schema shop --write",),
        "check": ("gristmill check shop",),
    },
    "Train and compare": {
        "ls": ("gristmill ls --all",),
        "plan": ("gristmill plan shop --set preprocess.horizon=28",),
        "run": (
            "gristmill run shop",
            "gristmill run shop visits --jobs 2 --budget 5m",
            'gristmill run shop --set model.kind=theta --set "train={epochs=5, patience=2}"',
        ),
        "show": ("gristmill show shop --version 3",),
        "runs": ("gristmill runs shop",),
        "compare": ("gristmill compare shop", "gristmill compare shop v2 v3 --open"),
        "report": ("gristmill report shop --open",),
        "sweep": ("gristmill sweep shop --jobs 2",),
    },
    "Predict": {
        "predict": (
            "gristmill predict shop",
            "gristmill predict shop --input new.csv --output forecast.parquet",
            'gristmill predict reviews --text "A warm, funny film."',
            "gristmill predict flats --input new.csv --explain --output explained.csv",
        ),
        "generate": ('gristmill generate sonnets --prompt "Shall I" --length 200',),
        "serve": ("gristmill serve shop", "gristmill serve shop birds --host 0.0.0.0 --port 80"),
        "export": ("gristmill export shop --to models/shop",),
        "monitor": ("gristmill monitor shop",),
        "truth": ("gristmill truth offers --file sold.csv",),
    },
    "Keep up to date": {
        "retrain": ("gristmill retrain shop", "gristmill retrain shop --as-of 3"),
        "models": ("gristmill models shop",),
        "diff": ("gristmill diff shop 2 3",),
        "promote": ("gristmill promote shop", "gristmill promote shop 3 --hold"),
        "rollback": ("gristmill rollback shop",),
        "schedule": ("gristmill schedule",),
        "deploy": ("gristmill deploy",),
        "updated": ("gristmill updated shop",),
    },
    "Maintain": {
        "verify": ("gristmill verify --repair",),
        "gc": ("gristmill gc --dry-run",),
        "doctor": ("gristmill doctor",),
        "help": ("gristmill help run",),
    },
}


def group_of(command: str) -> str:
    """Return the heading that a command is listed under."""
    return next(heading for heading, commands in GROUPS.items() if command in commands)


def summary_of(command: Callable[..., Any] | None) -> str:
    """Return the first paragraph of a command's docstring."""
    return " ".join((inspect.getdoc(command) or "").partition("\n\n")[0].split())


def examples_of(command: str) -> tuple[str, ...]:
    """Return command lines that show the use of a command."""
    return GROUPS[group_of(command)][command]


def examples_text(command: str) -> str:
    """Return the examples of a command as they follow its help; the first character keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in examples_of(command))])
