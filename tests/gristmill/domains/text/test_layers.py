"""Padding does not affect pooling."""

from typing import Literal

import numpy as np
import pytest

from gristmill.domains.text.layers import pooled, token_mask

TOKENS = np.array([[4, 5, 0, 0], [0, 0, 0, 7], [0, 0, 0, 0]], np.int32)
FEATURES = np.random.default_rng(0).normal(-3, 1, size=(3, 4, 2)).astype(np.float32)  # so that zero is the largest


@pytest.mark.parametrize(("how", "kept"), [("average", np.mean), ("max", np.max)])
def test_only_a_texts_own_tokens_count(how: Literal["average", "max"], kept: "np.ufunc") -> None:
    made = np.asarray(pooled(FEATURES, TOKENS, how))

    assert made[0] == pytest.approx(kept(FEATURES[0, :2], axis=0))
    assert made[1] == pytest.approx(FEATURES[1, 3])
    assert made[2] == pytest.approx(np.zeros(2))


def test_the_mask_is_one_for_tokens() -> None:
    assert np.asarray(token_mask(TOKENS)).tolist() == [[[1], [1], [0], [0]], [[0], [0], [0], [1]], [[0]] * 4]
