"""Which texts are new, how the champion fares on them, and who errs least on what nobody was trained on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.labelled import TOGETHER
from gristmill.domains.common.classification.predictions import read_predictions
from gristmill.domains.text import dataset
from gristmill.domains.text.preprocess import preprocess
from gristmill.domains.text.retraining import RETRAINING
from gristmill.domains.text.settings import Evaluate, Preprocess
from gristmill.errors import RequestError
from gristmill.export import bundle
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Champion, DataChanges
from gristmill.util.table_io import read_document, read_table, write_document, write_table
from helpers.small_judged_texts import exported
from helpers.small_scored_texts import FILLING, TELLING, Folders, embedding, folders_below, judge

CLASSES = ["bad", "fair", "good"]


def texts(count: int, seed: int = 0, filling: tuple[str, ...] = FILLING) -> pd.DataFrame:
    """Return texts as ingest does: each holds a word of its class, and others."""
    random = np.random.default_rng(seed)
    labels = [number % 4 % 3 for number in range(count)]
    told = [
        " ".join(random.permutation([*random.choice(TELLING[label], 1), *random.choice(filling, 9)]))
        for label in labels
    ]
    ids = [f"{seed}/{number:03}" for number in range(count)]
    return pd.DataFrame({"id": ids, "text": told, "label": labels, "part": pd.Series(None, range(count), dtype="str")})


def ingested(folder: Path, rows: pd.DataFrame, classes: list[str] = CLASSES) -> Path:
    folder.mkdir(exist_ok=True)
    write_table(folder / "texts.parquet", rows)
    write_document(folder / "summary.json", {"classes": classes, "dropped": 0})
    return folder


def run(root: Path, rows: pd.DataFrame) -> Folders:
    """Run all stages but train and export on texts; the network's weights are random."""
    folders = folders_below(root)
    ingested(folders["ingest"], rows)
    cut = Preprocess(length=8, validation=0.2, test=0.4)
    preprocess(preprocess=cut, ingest=folders["ingest"], out=folders["preprocess"])
    return judge(folders, embedding(dataset.read(folders["preprocess"])), Evaluate())


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    folders, out = run(tmp_path_factory.mktemp("champion"), texts(100)), tmp_path_factory.mktemp("exported")
    return folders | {"export": exported(folders, out)}


@pytest.fixture(scope="module")
def challenger(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return run(tmp_path_factory.mktemp("challenger"), pd.concat([texts(100), texts(60, seed=1)], ignore_index=True))


@pytest.mark.slow
def test_texts_are_new_of_another_class_or_part_or_gone(champion: Folders, tmp_path: Path) -> None:
    rows = texts(100)
    moved = rows.copy()
    moved.loc[[0, 2], "label"] = [2, 0]
    moved.loc[1, "part"] = "test"
    now = ingested(tmp_path / "now", pd.concat([texts(7, seed=1), moved.drop(index=[98, 99])], ignore_index=True))

    assert RETRAINING.new_rows(champion["ingest"], None).later == 100
    assert RETRAINING.new_rows(now, champion["ingest"]) == DataChanges(later=7, revised=3, removed=2)
    found = RETRAINING.diff(now, champion["ingest"])
    assert found.index.value_counts().to_dict() == {"added": 7, "changed": 3, "lost": 2}
    assert list(found) == ["label", "part", "id", "text", "label before", "part before"]
    assert list(found.loc["changed", "text"]) == list(rows["text"][:3])
    shuffled = ingested(tmp_path / "shuffled", rows.sample(frac=1, random_state=0))
    assert RETRAINING.new_rows(shuffled, champion["ingest"]).rows == 0


@pytest.mark.slow
def test_a_class_that_has_another_number_is_the_same_class(champion: Folders, tmp_path: Path) -> None:
    now = ingested(tmp_path / "now", texts(100).assign(label=lambda rows: 2 - rows["label"]), CLASSES[::-1])
    assert RETRAINING.new_rows(now, champion["ingest"]).rows == 0


def test_the_champion_is_asked_of_new_texts_alone(champion: Folders, tmp_path: Path) -> None:
    new = texts(60, seed=1)
    now = ingested(tmp_path / "now", pd.concat([new, texts(100)], ignore_index=True))

    found = RETRAINING.drift(now, Champion(champion, {}))

    predict = bundle.load(champion["export"], "saved_model")
    assert found.errors is not None
    assert found.errors.count == 60
    made = predict(new["text"].to_numpy(object)).argmax(axis=1)
    assert found.errors.mean == pytest.approx((made != new["label"]).mean())
    accuracy = read_document(champion["evaluate"] / "scores.json")["model"]["test"]["accuracy"]
    assert found.errors.mean_before == pytest.approx(1 - accuracy)
    assert [column.name for column in found.inputs] == ["label", "unknown tokens"]
    assert found.alarms == []


def test_words_that_it_never_met_and_other_shares_of_classes_are_alarms(champion: Folders, tmp_path: Path) -> None:
    new = texts(80, seed=1, filling=(*FILLING, "gizmo", "quux")).query("label == 2")

    found = RETRAINING.drift(
        ingested(tmp_path / "now", pd.concat([texts(100), new], ignore_index=True)), Champion(champion, {})
    )

    assert [column.alarm for column in found.inputs] == [True, True]
    share = new["text"].map(lambda text: sum(word in ("gizmo", "quux") for word in text.split()) / 10)
    assert found.inputs[1].statistic == pytest.approx(share.mean())


def test_without_a_new_text_there_is_nothing_to_say(champion: Folders, tmp_path: Path) -> None:
    found = RETRAINING.drift(ingested(tmp_path / "now", texts(90)), Champion(champion, {}))
    assert (found.errors, found.inputs) == (None, [])


@pytest.mark.slow
def test_all_are_judged_on_texts_that_nobody_was_trained_on(champion: Folders, challenger: Folders) -> None:

    found = RETRAINING.contest(challenger, Champion(champion, {}))

    def learned(folders: Folders) -> set[str]:
        index, raw = (
            read_table(folders["preprocess"] / "index.parquet"),
            read_table(folders["ingest"] / "texts.parquet").set_index("id")["text"],
        )
        return set(raw.loc[index.loc[index["part"] != "test", "id"]])

    rows = read_predictions(challenger["evaluate"], "test")
    raw = read_table(challenger["ingest"] / "texts.parquet").set_index("id")["text"].loc[rows["id"]]
    left = ~raw.isin(learned(champion) | learned(challenger)).to_numpy()
    assert 0 < left.sum() < len(left)
    assert RETRAINING.judgeable(challenger, Champion(champion, {})) == left.sum()
    names = np.array(CLASSES, object)
    made = names[bundle.load(champion["export"], "saved_model")(raw.to_numpy(object)).argmax(axis=1)]
    assert found.metric == "error rate"
    assert found.errors[CHAMPION].tolist() == (made != rows["label"])[left].tolist()
    assert found.errors[CHALLENGER].tolist() == (rows["predicted"] != rows["label"])[left].tolist()
    assert set(found.errors) == {CHAMPION, CHALLENGER, "majority", "nb_linear"}


@pytest.mark.slow
def test_without_a_champion_all_of_the_test_part_counts(challenger: Folders) -> None:
    found = RETRAINING.contest(challenger, None)
    scores = read_document(challenger["evaluate"] / "scores.json")
    assert found.errors.pop(CHALLENGER).mean() == pytest.approx(1 - scores["model"]["test"]["accuracy"])
    for name, errors in found.errors.items():
        assert errors.mean() == pytest.approx(1 - scores["baselines"][name]["test"]["accuracy"])


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_test_part_that_the_champion_learned_from_judges_nothing(
    champion: Folders, tmp_path: Path, part: str
) -> None:
    index = read_table(champion["preprocess"] / "index.parquet")
    write_table(tmp_path / "index.parquet", index.assign(part=part))
    assert RETRAINING.judgeable(champion, Champion(champion | {"preprocess": tmp_path}, {})) == 0
    assert RETRAINING.judgeable(champion, Champion(champion, {})) == 40


def test_a_test_text_in_a_group_that_the_champion_learned_from_judges_nothing(
    champion: Folders, challenger: Folders, tmp_path: Path
) -> None:
    judged = RETRAINING.judgeable(challenger, Champion(champion, {}))
    index = read_table(challenger["preprocess"] / "index.parquet")
    known = read_table(champion["preprocess"] / "index.parquet").query("part == 'train'")["id"].iloc[0]
    is_new, tested = index["id"].str.startswith("1/"), index["part"] == "test"
    one = index.index[is_new & tested][0]  # written by the author of a text that the champion was trained on
    groups = np.arange(len(index))
    groups[one] = groups[index.index[index["id"] == known][0]]
    write_table(tmp_path / "index.parquet", index.assign(**{TOGETHER: groups}))

    assert RETRAINING.judgeable(challenger | {"preprocess": tmp_path}, Champion(champion, {})) == judged - 1


def test_other_classes_cannot_be_compared(champion: Folders, challenger: Folders, tmp_path: Path) -> None:
    now = ingested(tmp_path / "now", texts(120), ["bad", "fair", "superb"])
    for ask in (
        lambda: RETRAINING.drift(now, Champion(champion, {})),
        lambda: RETRAINING.contest(challenger | {"ingest": now}, Champion(champion, {})),
    ):
        with pytest.raises(RequestError) as raised:
            ask()
        assert str(raised.value) == (
            "the champion's classes are bad, fair, good, those of the data bad, fair, superb: champion and challenger "
            "cannot be compared. Run the pipeline, look at its scores, and promote that run: gristmill promote NAME."
        )
