"""Forecasts of a part's windows by baselines, each fitted on everything before the part."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, by_network
from gristmill.domains.timeseries.models.naive import Naive
from gristmill.errors import Unsuitable

_NAIVE = Naive(kind="naive")


def baseline_forecasts(data: Prepared, part: str, baselines: Sequence[Any]) -> dict[str, Array]:
    """Return the forecasts of baselines by name, (windows, horizon, targets); those that do not suit are left out."""
    starts, before = data.origins(part), known_before(data, part)
    made: dict[str, Array] = {}
    for name, baseline in named(baselines):
        try:
            network = baseline.fit(before)
        except Unsuitable:
            continue
        made[name] = by_network(network, data.seen_by(network), starts, eager=True)
    return made


def missing_baselines(baselines: Sequence[Any], candidates: Mapping[str, CandidateArtifacts]) -> list[Any]:
    """Return the baselines that are not among the candidates; the naive one, the reference of skill, is always one."""
    wanted = baselines if _NAIVE in baselines else (_NAIVE, *baselines)
    tried = [one.document["settings"]["model"] for one in candidates.values()]
    return [baseline for baseline in wanted if baseline.model_dump(mode="json") not in tried]


def known_before(data: Prepared, part: str) -> Prepared:
    """Return the same series with everything before a part as the training set, and no validation set."""
    begin, end = data.part(part).T
    edges = [(data.bounds[:, 0], begin), (begin, begin), (begin, end)]
    return data.cut_at(np.stack([np.column_stack(edge) for edge in edges], axis=1))


def named(baselines: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each baseline with its name: its kind, with a number for the second of a kind."""
    seen: Counter[str] = Counter()
    for baseline in baselines:
        seen[baseline.kind] += 1
        yield baseline.kind if seen[baseline.kind] == 1 else f"{baseline.kind}-{seen[baseline.kind]}", baseline
