"""Keys: pinned, type-tagged, and changed by everything that can change a result."""

import hashlib
import math
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill import keys
from gristmill.errors import WorkError
from gristmill.keys import digest_of, digest_of_bytes, digest_of_file, identify

PARTS: dict[str, Any] = {
    "stage": "train",
    "code": {"gristmill.domains.timeseries.train": "aa", "gristmill.training.fit": "bb"},
    "settings": {"train": {"epochs": 50, "learning_rate": 1e-3, "patience": None}, "model": {"kind": "dense"}},
    "inputs": {"preprocess": "cc"},
    "libraries": {"python": "3.11", "keras": "3.15.1", "numpy": "2.1.0"},
}

PYTHON = ".".join(platform.python_version_tuple()[:2])

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_the_digest_of_a_value_is_pinned() -> None:
    value = {"a": [1, 1.0, True, None, "1"], "b": {"c": -0.5}}
    assert digest_of(value) == "010c10136996145219f49187f12fa6c9dbf0a3a33583a089f201cd9b5d25124f"


def test_one_in_four_types_has_four_digests() -> None:
    assert len({digest_of(value) for value in (1, 1.0, True, "1")}) == 4


def test_empty_values_differ() -> None:
    empty: list[Any] = [None, False, 0, 0.0, "", [], {}, [None], [[]], {"": None}]
    assert len({digest_of(value) for value in empty}) == len(empty)


def test_what_a_value_is_tagged_with_is_not_mistaken_for_a_value() -> None:
    assert digest_of(1) != digest_of({"int": "1"})
    assert digest_of({"a": 1}) != digest_of({"dict": [["a", 1]]})


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})


def test_the_order_of_items_matters() -> None:
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_a_tuple_is_the_list_that_json_gives_back() -> None:
    assert digest_of((1, (2,))) == digest_of([1, [2]])


def test_neighbouring_floats_differ() -> None:
    assert digest_of(0.1) != digest_of(math.nextafter(0.1, 1))


@pytest.mark.parametrize("value", [{1, 2}, b"1", Path("a"), object()])
def test_what_is_no_json_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="only JSON values have a digest"):
        digest_of({"a": value})


@settings(max_examples=30)
@given(values, values)
def test_equal_exactly_where_values_and_their_types_are(one: Any, other: Any) -> None:
    assert (digest_of(one) == digest_of(other)) == same(one, other)


@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=3), values, max_size=5), st.randoms())
def test_any_order_of_keys_is_the_same_value(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert digest_of(dict(items)) == digest_of(value)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal in type too, written without canonical form: the dumb check."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


def test_a_key_is_pinned() -> None:
    """Keys outlive releases: change this only together with FORMAT."""
    made_of = identify(**PARTS)
    assert made_of.key == "dbc1398d4a708a250dd42067f26d5c17962a61ecac5c91237c521fb02f7b08cb"
    assert (made_of.stage, made_of.parts["format"]) == ("train", 4)


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "evaluate"},
        {"code": PARTS["code"] | {"gristmill.training.fit": "bc"}},
        {"code": {"gristmill.domains.timeseries.train": "aa"}},
        {"settings": PARTS["settings"] | {"model": {"kind": "linear"}}},
        {"settings": PARTS["settings"] | {"train": PARTS["settings"]["train"] | {"epochs": 50.0}}},
        {"inputs": {"preprocess": "cd"}},
        {"inputs": {"ingest": "cc"}},
        {"libraries": PARTS["libraries"] | {"numpy": "2.1.1"}},
        {"libraries": PARTS["libraries"] | {"python": "3.12"}},
    ],
)
def test_every_part_is_in_the_key(changed: dict[str, Any]) -> None:
    assert identify(**PARTS | changed).key != identify(**PARTS).key


def test_the_format_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identify(**PARTS).key
    monkeypatch.setattr(keys, "FORMAT", keys.FORMAT + 1)
    assert identify(**PARTS).key != before


def test_a_file_has_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_of_file(tmp_path / "a") == digest_of_bytes(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_versions_are_those_that_are_installed() -> None:
    installed = {name: metadata.version(name) for name in ("pydantic", "numpy")}
    assert keys.library_versions(("pydantic", "numpy")) == {"python": PYTHON} | installed


def test_a_library_that_is_not_installed_is_said() -> None:
    with pytest.raises(WorkError, match="no-such-library is not installed"):
        keys.library_versions(("numpy", "no-such-library"))


def test_an_extra_may_be_missing_and_counts_as_that() -> None:
    found = keys.library_versions(("numpy",), ("pydantic", "no-such-library"))

    assert found == {
        "python": PYTHON,
        "numpy": metadata.version("numpy"),
        "pydantic": metadata.version("pydantic"),
        "no-such-library": "not installed",
    }


def test_a_distribution_whose_system_library_is_missing_has_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    loadable = metadata.version("lightgbm")
    assert keys.library_versions(("lightgbm",))["lightgbm"] == loadable
    keys._version.cache_clear()
    monkeypatch.setitem(keys._SYSTEM_LIBRARIES, "lightgbm", "libno-such-library.so.1")
    monkeypatch.setattr("sys.platform", "linux")
    try:
        assert keys.library_versions(("lightgbm",))["lightgbm"] == f"{loadable}, not loadable"
    finally:
        keys._version.cache_clear()
