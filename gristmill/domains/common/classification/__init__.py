"""Code that all classifiers share: split, loss, metrics, report, retraining."""
