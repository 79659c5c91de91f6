"""The table of names: what domains there are, and what a stage reads.

A domain is one row here, a folder `gristmill/<domain>/` and a flow `flows/<domain>.py`. In its folder `settings.py`
names its tables and each stage is a module holding a function of its own name. This table is outside every code
closure.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One of the five steps of a pipeline."""

    name: str
    tables: tuple[str, ...]  # tables of pipelines.toml whose values it uses
    inputs: tuple[str, ...]  # stages whose artifacts it reads
    libraries: tuple[str, ...]  # distributions whose version can change its result
    resumable: bool = False  # keeps a scratch folder from which it goes on after a kill


STAGES = (
    Stage("ingest", ("source", "ingest"), (), ("numpy", "pandas", "pyarrow")),
    Stage("preprocess", ("preprocess",), ("ingest",), ("numpy", "pandas", "pyarrow")),
    Stage(
        "train",
        ("model", "train"),
        ("preprocess",),
        ("keras", "numpy", "pandas", "pyarrow", "tensorflow"),
        resumable=True,
    ),
    Stage("evaluate", ("evaluate",), ("preprocess", "train"), ("keras", "numpy", "pandas", "pyarrow", "tensorflow")),
    Stage(
        "export",
        ("export",),
        ("preprocess", "train", "evaluate"),
        ("keras", "numpy", "pandas", "pyarrow", "tensorflow"),
    ),
)

DOMAINS = ("timeseries",)


def stage(name: str) -> Stage:
    """Return the stage of this name."""
    return next(stage for stage in STAGES if stage.name == name)


def module_of(domain: str, stage: str) -> str:
    """Return the module that holds a stage's core function for a domain."""
    return f"gristmill.{domain}.{stage}"
