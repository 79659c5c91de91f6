"""Two folds in place of five for models in closed form: each example is still predicted by a fit without it.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def few_folds() -> Iterator[None]:
    """Fit models in closed form on two folds."""
    from gristmill.domains.common import supervised

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervised, "CLOSED_FORM_FOLDS", 2)
        yield
