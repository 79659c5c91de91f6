"""Which rows are new, how the champion fares on them, and who errs least on what nobody was trained on."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.predictions import read_predictions
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.models.linear import Quadratic
from gristmill.domains.tabular.retraining import RETRAINING
from gristmill.domains.tabular.settings import Ingest, Preprocess, Train
from gristmill.errors import RequestError
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Champion, DataChanges
from gristmill.sources.tables.csv import Csv
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_document

Folders = dict[str, Path]
Houses = tuple[Csv, Ingest, Path]
Ingested = Callable[..., Path]


@pytest.fixture
def ingested(of_houses: Houses, tmp_path: Path) -> Ingested:
    """Return a function that ingests the houses, changed."""
    source, meaning, houses = of_houses

    def call(change: Callable[[pd.DataFrame], pd.DataFrame], meaning: Ingest = meaning) -> Path:
        out = tmp_path / f"ingest {len(list(tmp_path.iterdir()))}"
        out.mkdir()
        file = out / "houses.csv"
        change(pd.read_csv(houses)).to_csv(file, index=False)
        ingest(source=source, ingest=meaning, out=out, paths=(file,))
        return out

    return call


def more(houses: pd.DataFrame, count: int = 40, rise: float = 0, town: str = "Ulm") -> pd.DataFrame:
    """Return the houses and some new ones, whose price has risen."""
    area = np.arange(count) * 3 + 50
    new = pd.DataFrame({"area": area, "rooms of it": 3, "part": town, "price": 2.0 * area + 30.5 + rise})
    return pd.concat([houses, new], ignore_index=True)


@pytest.fixture
def later(of_houses: Houses, run_on: Callable[..., Folders], tmp_path: Path) -> Folders:
    """The folders of a challenger: trained on the houses and 40 new ones, a third of them its test set."""
    source, meaning, houses = of_houses
    file = tmp_path / "more.csv"
    more(pd.read_csv(houses)).to_csv(file, index=False)
    cut = Preprocess(validation=10, test=0.4)
    return run_on(source, meaning, cut, Quadratic(kind="quadratic"), Train(), (file,), exported=False)


def test_rows_are_new_or_gone_wherever_they_stand(mixed: Folders, ingested: Ingested) -> None:
    champion = mixed["ingest"]

    assert RETRAINING.new_rows(champion, None).later == 60
    assert RETRAINING.new_rows(ingested(lambda houses: houses.sample(frac=1, random_state=0)), champion).rows == 0
    assert RETRAINING.new_rows(ingested(more), champion) == DataChanges(later=40)
    cheap = ingested(lambda houses: houses.assign(price=houses["price"].where(houses.index > 2, 1.5)))
    changed, rows = RETRAINING.new_rows(cheap, champion), RETRAINING.diff(cheap, champion)
    assert rows.index.value_counts().to_dict() == {"added": 3, "lost": 3}
    assert rows.loc["added", "price"].tolist() == [1.5] * 3
    assert rows.loc["added", "price before"].isna().all()
    assert (changed.later, changed.removed, str(changed)) == (3, 3, "3 new, 3 removed")


def test_a_renamed_target_and_a_category_that_became_a_number_are_not_compared(
    mixed: Folders, ingested: Ingested
) -> None:
    renamed = ingested(
        lambda houses: houses.rename(columns={"price": "_merge"}).assign(part=1.0),
        Ingest(target="_merge", numbers=("area", "rooms of it", "part")),
    )

    found = RETRAINING.diff(renamed, mixed["ingest"])

    assert found.empty
    assert found.attrs["not compared"] == {
        "part": "of another type",
        "_merge": "only version {now}",
        "price": "only version {before}",
    }


def test_a_champion_that_knows_such_rows_raises_no_alarm(mixed: Folders, ingested: Ingested) -> None:
    def alike(houses: pd.DataFrame) -> pd.DataFrame:
        again = houses.sample(30, random_state=0)
        return pd.concat([houses, again.assign(price=again["price"] + 0.01)], ignore_index=True)

    found = RETRAINING.drift(ingested(alike), Champion(mixed, {}))

    assert found.errors is not None
    assert found.errors.count == 30
    assert found.errors.mean_before == read_document(mixed["evaluate"] / "scores.json")["model"]["test"]["mae"]
    data, network = dataset.read(mixed["preprocess"]), saved_network.read(mixed["train"])
    rows = data.table.sample(30, random_state=0)
    made = predict_target(network, data.layout.inputs(rows))
    assert found.errors.mean == pytest.approx(np.abs(made - rows["price"] - 0.01).mean(), rel=1e-4)
    assert [(column.name, column.test) for column in found.inputs] == [
        ("area", "Kolmogorov-Smirnov"),
        ("rooms of it", "Kolmogorov-Smirnov"),
        ("price", "Kolmogorov-Smirnov"),
        ("part", "chi-square"),
    ]
    assert found.alarms == []


def test_other_prices_and_another_town_are_alarms(mixed: Folders, ingested: Ingested) -> None:
    found = RETRAINING.drift(ingested(lambda houses: more(houses, rise=5_000, town="Bonn")), Champion(mixed, {}))
    assert [alarm.split(" ")[0] for alarm in found.alarms] == ["mean", "rooms", "price:", "part:"]


def test_without_a_new_row_there_is_nothing_to_say(mixed: Folders, ingested: Ingested) -> None:
    found = RETRAINING.drift(ingested(lambda houses: pd.concat([houses, houses.head(5)])), Champion(mixed, {}))
    assert (found.errors, found.inputs) == (None, [])


@pytest.mark.slow
def test_all_are_judged_on_rows_that_nobody_was_trained_on(mixed: Folders, later: Folders) -> None:

    found = RETRAINING.contest(later, Champion(mixed, {}))

    known, data = dataset.read(mixed["preprocess"]), dataset.read(later["preprocess"])
    learned = set(known.table[known.parts != "test"].itertuples(index=False, name=None))
    rows = data.table[data.parts == "test"]
    left = np.array([row not in learned for row in rows.itertuples(index=False, name=None)])
    assert 0 < left.sum() < len(left)
    assert RETRAINING.judgeable(later, Champion(mixed, {})) == left.sum()
    truth, inputs = data.truth[data.parts == "test"][left], data.inputs[data.parts == "test"][left]
    assert (found.metric, found.block) == ("mae", 0)
    assert set(found.errors) == {CHALLENGER, CHAMPION, "mean", "least_squares"}
    for name, folders in ((CHALLENGER, later), (CHAMPION, mixed)):
        made = predict_target(saved_network.read(folders["train"]), inputs)
        assert found.errors[name] == pytest.approx(np.abs(made - truth), rel=1e-4, abs=1e-3)
    tested = read_table(later["evaluate"] / "predictions.parquet").query("part == 'test'")[left]
    assert found.errors["mean"].tolist() == (tested["y"] - tested["mean"]).abs().tolist()


def test_without_a_champion_all_of_the_test_part_counts(mixed: Folders) -> None:
    found = RETRAINING.contest(mixed, None)
    assert set(found.errors) == {CHALLENGER, "mean", "least_squares"}
    scores = read_document(mixed["evaluate"] / "scores.json")
    assert found.errors[CHALLENGER].mean() == pytest.approx(scores["model"]["test"]["mae"])


def test_a_test_part_that_the_champion_learned_from_judges_nothing(mixed: Folders, tmp_path: Path) -> None:
    data = dataset.read(mixed["preprocess"])
    known = tmp_path / "preprocess"
    known.mkdir()
    dataset.write(dataset.Prepared(data.table, np.full(60, "train"), data.layout), known)

    assert RETRAINING.judgeable(mixed, Champion(mixed | {"preprocess": known}, {})) == 0
    assert RETRAINING.judgeable(mixed, Champion(mixed, {})) == 14


def test_a_test_row_whose_group_the_champion_learned_from_judges_nothing(mixed: Folders, tmp_path: Path) -> None:
    data, known = dataset.read(mixed["preprocess"]), tmp_path / "preprocess"
    customers = np.where(np.arange(60) % 2, "", "anna")  # an empty cell is no group
    grouped = replace(data, table=data.table.assign(customer=customers), layout=replace(data.layout, group="customer"))
    known.mkdir()
    dataset.write(grouped, known)
    folders = mixed | {"preprocess": known}

    unseen = RETRAINING.judgeable(folders, Champion(folders, {}))

    assert unseen == int((customers[data.parts == "test"] == "").sum())
    assert 0 < unseen < 14


def test_other_columns_cannot_be_compared(mixed: Folders, ingested: Ingested) -> None:
    meaning = Ingest(target="price", numbers=("area",), categories=("part",))
    now = ingested(lambda houses: houses, meaning)

    for ask in (lambda: RETRAINING.new_rows(now, mixed["ingest"]), lambda: RETRAINING.drift(now, Champion(mixed, {}))):
        with pytest.raises(RequestError) as raised:
            ask()
        assert str(raised.value) == (
            "the champion's numbers are ['area', 'rooms of it'], those of the data ['area']: champion and challenger "
            "cannot be compared. Run the pipeline, look at its scores, and promote that run: gristmill promote NAME."
        )


def test_a_role_that_an_older_table_lacks_has_no_columns(mixed: Folders, tmp_path: Path) -> None:
    summary = read_document(mixed["ingest"] / "summary.json")
    write_document(tmp_path / "summary.json", {name: value for name, value in summary.items() if name != "categories"})
    shutil.copy(mixed["ingest"] / "table.parquet", tmp_path)

    with pytest.raises(RequestError, match=r"the champion's categories are \['part'\], those of the data \[\]:"):
        RETRAINING.drift(tmp_path, Champion(mixed, {}))


def test_classes_are_judged_by_their_error_rate(classes: Folders) -> None:
    rows = read_predictions(classes["evaluate"], "test")
    judged = RETRAINING.contest(classes, None)
    assert judged.metric == "error rate"
    assert judged.errors[CHALLENGER].tolist() == (rows["predicted"] != rows["label"]).astype(float).tolist()
    assert set(judged.errors) == {CHALLENGER, "majority", "logistic"}
