"""A version says whether a baseline is better than it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gristmill.registry.lineage import Git
from gristmill.registry.version import Version


def scored(**headline: Any) -> Version:
    return Version(
        number=1,
        pipeline="small",
        domain="timeseries",
        run="",
        settings={},
        overrides=[],
        references={},
        scores={"headline": headline, "best_baseline": "ar", "model": {}},
        versions={},
        git=Git(commit=None, dirty=False),
        code={},
        made=datetime(2020, 1, 1, tzinfo=UTC),
        decision={},
    )


@pytest.mark.parametrize(
    ("headline", "said"),
    [
        ({"metric": "mae", "model": 3.79, "baseline": 3.54}, "mae 3.79 against 3.54"),
        ({"metric": "mae", "model": float("nan"), "baseline": 3.54}, "mae nan against 3.54"),
        ({"metric": "accuracy", "model": 0.8, "baseline": 0.9, "higher_is_better": True}, "accuracy 0.8 against 0.9"),
        ({"metric": "mae", "model": 3.5, "baseline": 3.5}, None),
        ({"metric": "accuracy", "model": 0.9, "baseline": 0.8, "higher_is_better": True}, None),
    ],
)
def test_a_version_that_loses_to_a_baseline_says_so(headline: dict[str, Any], said: str | None) -> None:
    told = f"loses to the baseline ar: {said} on the test set" if said else None
    assert scored(**headline).loses_to_baseline == told
