"""Kinds that are fitted without epochs: on each fold, and then on the training and validation set."""

from collections.abc import Mapping

from gristmill.domains.common.classification.held_out import learning_rows, learning_set
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.fold_training import HeldOutPredictions, fit_closed_form
from gristmill.domains.common.folds import Positions
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.text_classifier import LabelledTexts, TextClassifier
from gristmill.training.outputs import ClosedForm


def fit(
    model: ClosedForm, data: Prepared, texts: Mapping[str, list[str]], balanced: bool
) -> tuple[TextClassifier, HeldOutPredictions]:
    """Return a classifier that is fitted on training and validation set, and its held-out predictions.

    `texts` are those of each part. If `balanced`, texts are weighted so that all classes count equally.
    """
    labels, learned = learning_rows(data)["label"].to_numpy(), [*texts["train"], *texts["validation"]]

    def fitted(positions: Positions) -> TextClassifier:
        chosen = LabelledTexts([learned[at] for at in positions], labels[positions], len(data.classes), balanced)
        made: TextClassifier = model.fit(chosen)
        return made

    def predict(classifier: TextClassifier, positions: Positions) -> Probabilities:
        return classifier.probabilities([learned[at] for at in positions])

    return fit_closed_form(learning_set(data), fitted, predict)
