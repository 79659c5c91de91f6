"""Forecasts of a part by all forecasters, made a block of series at a time."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.timeseries import forecasts
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.ensemble import held_out_forecast
from gristmill.domains.timeseries.forecasts import Forecasts, by_network
from gristmill.domains.timeseries.models.naive import Drift, SeasonalNaive
from gristmill.domains.timeseries.part_forecasts import PartForecasts, forecasts_of
from gristmill.domains.timeseries.select import select
from gristmill.scores import MODEL
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from helpers.small_candidates import Tried

pytest_plugins = ["helpers.small_candidates"]
pytestmark = pytest.mark.usefixtures("eager")

WEIGHTS = {"linear": 0.4, "dense": 0.6}
NAMES = ["seasonal_naive", *WEIGHTS]


class Chosen(NamedTuple):
    """Prepared series, candidates, and the folder of select."""

    data: Prepared
    candidates: dict[str, CandidateArtifacts]
    selected: Path


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory, tried: Tried) -> Chosen:
    """Candidates, and the average of two of them."""
    out, candidates = tmp_path_factory.mktemp("selected"), {name: tried.candidates[name] for name in NAMES}
    select(select=Select(weights=WEIGHTS), preprocess=tried.prepared, candidates=candidates, out=out)
    return Chosen(tried.data, candidates, out)


def of(chosen: Chosen, part: str, microseconds: dict[str, float] | None = None) -> tuple[Prepared, PartForecasts]:
    network = saved_network.read(chosen.selected)
    measured = {} if microseconds is None else microseconds
    data = chosen.data.seen_by(network)
    return data, forecasts_of(data, part, network, chosen.selected, chosen.candidates, [Drift(kind="drift")], measured)


@pytest.mark.slow
def test_forecasts_of_validation_are_those_of_fits_that_did_not_see_it(chosen: Chosen) -> None:
    microseconds: dict[str, float] = {}

    data, validation = of(chosen, "validation", microseconds)
    assert microseconds == {}
    _, test = of(chosen, "test", microseconds)
    assert list(microseconds) == NAMES

    held_out, tested = validation.forecasts().by_name, test.forecasts().by_name
    assert list(held_out) == list(tested) == [MODEL, *NAMES, "drift"]
    for name, candidate in chosen.candidates.items():
        final = saved_network.read(candidate.train)
        seen = data.seen_by(final)
        of_final = {part: by_network(final, seen, data.origins(part), once=True) for part in ("validation", "test")}
        assert tested[name] == pytest.approx(of_final["test"], rel=1e-5)
        assert np.array_equal(held_out[name], held_out_forecast(candidate.train, data))
        differs = np.abs(of_final["validation"] - held_out[name]).max() > 1e-3
        assert differs == (name == "linear")  # which was fitted again, on validation too
    assert held_out[MODEL] == pytest.approx(weighted_average(held_out, WEIGHTS), rel=1e-12)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_blocks_are_parts_of_the_whole(chosen: Chosen, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = of(chosen, part)
    whole = made.forecasts()
    monkeypatch.setattr(forecasts, "WINDOWS_PER_CALL", 9)

    for blocks in (list(made.blocks()), list(made.blocks(whole))):
        assert len(blocks) == 2
        assert np.array_equal(np.concatenate([block.starts for block in blocks]), whole.starts)
        assert np.array_equal(np.concatenate([block.truth for block in blocks]), whole.truth)
        for name, expected in whole.by_name.items():
            assert _joined(blocks, name) == pytest.approx(expected, rel=1e-6), name


def test_the_network_of_an_average_makes_the_first_block_and_its_members_the_others(chosen: Chosen) -> None:
    """Export compares the first forecasts with its own, to the last bit; the members are not forecast twice."""
    _, made = of(chosen, "test")

    first, later = made.forecasts(slice(0, 8)), made.forecasts(slice(8, 16))

    whole = made.model(slice(0, 8))
    assert np.array_equal(first.by_name[MODEL], whole)
    assert np.array_equal(later.by_name[MODEL], weighted_average(later.by_name, WEIGHTS).astype(np.float32))


def _joined(blocks: list[Forecasts], name: str) -> Any:
    return np.concatenate([block.by_name[name] for block in blocks])


@pytest.mark.slow
def test_a_baseline_does_not_replace_a_candidate_of_its_kind(chosen: Chosen) -> None:
    network, longer = saved_network.read(chosen.selected), SeasonalNaive(kind="seasonal_naive", season=12)
    data = chosen.data.seen_by(network)

    both = forecasts_of(data, "test", network, chosen.selected, chosen.candidates, [longer], {}).forecasts().by_name

    _, tested = of(chosen, "test")
    assert list(both) == [MODEL, *NAMES, "seasonal_naive-2"]
    assert np.array_equal(both["seasonal_naive"], tested.forecasts().by_name["seasonal_naive"])
