"""What tests of several domains share."""

from collections.abc import Iterator

import pytest

from helpers import few_folds


@pytest.fixture(scope="module", name="few_folds")
def _few_folds() -> Iterator[None]:
    """Fit models in closed form on two folds."""
    with few_folds.few_folds():
        yield
