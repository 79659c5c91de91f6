"""Base of every table in `pipelines.toml`: frozen, strict, without unknown keys.

Settings are hashed as values, so no `settings` module is part of a stage's code closure (`code_closure.py`). In return
they contain only fields and validators, which a test checks.
"""

from collections.abc import Iterator
from enum import Enum
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from gristmill.util.urls import find_secret

URL_SCHEMES = ("https://", "http://")


class _Mark(Enum):
    """Meaning of a field's value, as metadata of its annotation."""

    LOCATION = "where data lies"
    DIGEST = "hash of the bytes at a location"
    COLUMN = "columns of the data"
    MESSAGE = "text for messages only"


def _as_list(raw: Any) -> Any:
    if raw is None:  # in records of runs, whose settings had one column or none
        return ()
    if not isinstance(raw, str | list | tuple):
        raise ValueError("a name, or an array of names")  # noqa: TRY004 - Pydantic reports a ValueError
    return (raw,) if isinstance(raw, str) else tuple(raw)


def check_location(location: str) -> str:
    """Return a location of data; raise `ValueError` for unknown schemes and for secrets, since locations are logged."""
    schemes = (*URL_SCHEMES, "package://")
    if "://" in location and not location.startswith(schemes):
        raise ValueError(
            f"a path, or a location that begins with {', '.join(schemes)}. gristmill does not read databases "
            "or buckets. Export the table to CSV or Parquet, or download the file"
        )
    if secret := find_secret(location):
        raise ValueError(f"a URL without {secret}, which would be logged; or download the file and set its path")
    return location


def _check_within(path: str, otherwise: str) -> str:
    """Check that a path does not lead out of the project's folder."""
    if "://" in path or path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError(f"a path within the project; {otherwise}")
    return path


def is_shared(url: str) -> bool:
    """Return whether a URL may name a folder that several machines write to and read from."""
    scheme, _, folder = url.partition("://")
    return scheme not in ("file", "local", "memory", "http", "https") and bool(folder.strip("/"))


def check_store_location(location: str) -> str:
    """Return the location of a store; raise `ValueError` unless it is a path in the project or a URL without secret."""
    if "://" not in location:
        return _check_within(location, "GRISTMILL_STORE may name one elsewhere")
    if secret := find_secret(location):
        raise ValueError(f"a URL without {secret}; set credentials in the environment, such as AWS_ACCESS_KEY_ID")
    if not is_shared(location):
        raise ValueError("a path, or a URL that machines share, such as s3://bucket/prefix")
    return location


def _as_pair(raw: Any) -> Any:
    if isinstance(raw, list):
        return tuple(raw)
    return (raw, raw) if isinstance(raw, int) else raw


SourceLocation = Annotated[str, AfterValidator(check_location), _Mark.LOCATION]
"""A file, a folder, a pattern, `package://` or a URL (`runs/locations.py`).

The location cannot change a result, so it is left out of the key; the bytes found there are part of it.
"""

StoreLocation = Annotated[str, AfterValidator(check_store_location)]
"""A store in the project, or one that machines share."""

CacheFolder = Annotated[str, AfterValidator(partial(_check_within, otherwise="GRISTMILL_CACHE may name one elsewhere"))]
"""A folder of the project that caches a shared store."""

CodeFile = Annotated[str, AfterValidator(partial(_check_within, otherwise="copy the file into it")), _Mark.LOCATION]
"""A file of code in the project."""

Digest = Annotated[str | None, Field(pattern="^[0-9a-f]{64}$", validate_default=True), _Mark.DIGEST]
"""The SHA-256 that the bytes at a location must have."""

MessageText = Annotated[str, _Mark.MESSAGE]
"""Text for messages only; it cannot change a result, so it is left out of the key."""

Column = Annotated[str, _Mark.COLUMN]
OptionalColumn = Annotated[str | None, _Mark.COLUMN]
Columns = Annotated[tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str]), _Mark.COLUMN]
"""The name of a column, or a list of names."""

MAX_COUNT = 2**31 - 1  # the largest 32-bit integer, the type in which TensorFlow counts
MAX_NUMBER = 3e38  # the largest float32, the type in which networks compute

PositiveInt = Annotated[int, Field(gt=0, le=MAX_COUNT)]
NonNegativeInt = Annotated[int, Field(ge=0, le=MAX_COUNT)]
PositiveFloat = Annotated[float, Field(gt=0, le=MAX_NUMBER)]
NonNegativeFloat = Annotated[float, Field(ge=0, le=MAX_NUMBER)]
Number = Annotated[float, Field(gt=-MAX_NUMBER, lt=MAX_NUMBER)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # accepted by NumPy; TOML has no larger integers

Size = Annotated[int, Field(gt=0, le=65_536)]  # a layer of more units would not fit into memory
KernelSize = Annotated[int, Field(gt=0, le=1024)]  # larger kernels would not fit into memory
Sizes = Annotated[tuple[Size, ...], Field(strict=False)]
Repeats = Annotated[int, Field(gt=0, le=1000)]  # trainings with different seeds

_Side = Annotated[int, Field(ge=1, le=4096)]  # a batch of 32 larger images would need more than 6 GB
ImageSize = Annotated[
    tuple[_Side, _Side], BeforeValidator(_as_pair, json_schema_input_type=_Side | tuple[_Side, _Side])
]
"""Height and width in pixels, or one number that is used twice."""

Share = Annotated[float, Field(gt=0, lt=1)]
AnyShare = Annotated[float, Field(ge=0, le=1)]


def _check_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    """Check that levels ascend, and that the outer two are an interval around the median."""
    if any(low >= high for low, high in pairwise(levels)):
        raise ValueError("ascending levels")
    if 0.5 not in levels or len(levels) < 3 or abs(levels[0] + levels[-1] - 1) > 1e-9:
        raise ValueError("levels that contain 0.5 and end at equal distances from it, such as 0.05, 0.5 and 0.95")
    return levels


QuantileLevels = Annotated[tuple[Share, ...], Field(strict=False), AfterValidator(_check_levels)]


class Settings(BaseModel):
    """One table of `pipelines.toml`."""

    words: ClassVar[tuple[str, ...]] = ()  # values of a location field that are not locations
    constant: ClassVar[bool] = False  # whether a kind of model predicts the same for all inputs
    retired: ClassVar[dict[str, str]] = {}
    """Keys of earlier releases, and what to do about one in `pipelines.toml`.

    Records of runs may hold them with any value, so a key must change no prediction, or `predict` must read it in its
    argument `recorded`.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        defer_build=True,  # a command imports more tables than it reads; building each takes 0.3 ms
    )


class Files(Settings):
    """A source that reads files."""

    suffixes: ClassVar[tuple[str, ...]] = ("",)  # of the files that are read in a folder, in lower case

    path: SourceLocation  # a file, a folder of files, a pattern such as "2024-*.csv", package://NAME/file or a URL
    refresh: Annotated[bool, _Mark.DIGEST] = False  # fetch new content from the URL in every run; replaces sha256
    sha256: Digest = None  # SHA-256 of the file; required for a URL without refresh

    @field_validator("refresh")
    @classmethod
    def _is_about_a_url(cls, refresh: bool, info: ValidationInfo) -> bool:
        if refresh and "path" in info.data and not str(info.data["path"]).startswith(URL_SCHEMES):
            raise ValueError("a URL as path with refresh = true")
        return refresh

    @field_validator("sha256")
    @classmethod
    def _is_set_for_a_url(cls, sha256: str | None, info: ValidationInfo) -> str | None:
        if sha256 is not None and info.data.get("refresh"):
            raise ValueError("no sha256 with refresh = true, which takes any content")
        is_url = str(info.data.get("path", "")).startswith(URL_SCHEMES)
        if sha256 is None and is_url and not info.data.get("refresh", True):
            raise ValueError(
                "64 hexadecimal digits, as sha256sum prints them, since path is a URL; or refresh = true if the file "
                "changes"
            )
        return sha256


class Fit(Settings):
    """Training of a network, in every domain."""

    epochs: PositiveInt = 50  # maximum number of epochs; `patience` can stop training earlier
    patience: PositiveInt | None = None  # epochs without a better validation loss before stopping
    batch_size: PositiveInt = 64  # examples per update
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"  # optimizer with Keras's defaults except the learning rate
    learning_rate: PositiveFloat | Literal["find"] = 1e-3  # initial learning rate; "find" runs a range test
    schedule: Literal["cosine", "one_cycle", "constant", "sweep"] = "cosine"  # decay; rise, then decay; none; or rise
    clip_norm: PositiveFloat | Literal["none"] = 1.0  # maximum global gradient norm; prevents exploding gradients
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42  # seed of initial weights, dropout and batch order
    strategy: Literal["one", "mirrored"] = "one"  # train on one device, or split every batch over all devices
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"  # mixed: inner layers in 16 bits

    @field_validator("schedule")
    @classmethod
    def _allow_one_search(cls, schedule: str, info: ValidationInfo) -> str:
        if schedule == "sweep" and info.data.get("learning_rate") == "find":
            raise ValueError('"cosine" or "constant" with learning_rate = "find"; a sweep starts at a number')
        return schedule


class TrainOnExamples(Fit):
    """Training of a network on examples, such as texts, photos and rows, of which there may be few."""

    few_examples: Literal["train", "average", "refuse"] = (
        "train"  # below 1,000 examples: train one network, average those of 3 folds, or refuse
    )


def locations(table: Settings) -> Iterator[tuple[str, str]]:
    """Yield (field, location) for every field of a table that says where data lies."""
    for name in _marked(type(table), _Mark.LOCATION):
        if getattr(table, name) not in table.words:
            yield name, getattr(table, name)


def columns(table: Settings) -> Iterator[tuple[str, str]]:
    """Yield (field, column) for every column that a table names."""
    for name in _marked(type(table), _Mark.COLUMN):
        value = getattr(table, name)
        for column in (value,) if isinstance(value, str) else value or ():
            yield name, column


def with_nested(table: Settings) -> Iterator[Settings]:
    """Yield a table and the tables in its fields, such as kinds of models in a list."""
    yield table
    for name in type(table).model_fields:
        value = getattr(table, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Settings):
                yield item


def identity_values(table: Settings) -> dict[str, object]:
    """Return the values of a table that can change a result: locations are left out, since their bytes are hashed."""
    unhashed = {*_marked(type(table), _Mark.DIGEST, _Mark.MESSAGE), *(name for name, _ in locations(table))}
    return table.model_dump(mode="json", exclude=unhashed)


def _marked(table: type[Settings], *marks: _Mark) -> Iterator[str]:
    """Yield the fields that have one of the marks."""
    for name, field in table.model_fields.items():
        if any(mark in field.metadata for mark in marks):
            yield name
