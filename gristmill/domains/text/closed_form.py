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
    labels, learning_texts = learning_rows(data)["label"].to_numpy(), [*texts["train"], *texts["validation"]]

    def fit_classifier(positions: Positions) -> TextClassifier:
        chosen = [learning_texts[at] for at in positions]
        classifier: TextClassifier = model.fit(LabelledTexts(chosen, labels[positions], len(data.classes), balanced))
        return classifier

    def predict(classifier: TextClassifier, positions: Positions) -> Probabilities:
        return classifier.probabilities([learning_texts[at] for at in positions])

    return fit_closed_form(learning_set(data), fit_classifier, predict)
