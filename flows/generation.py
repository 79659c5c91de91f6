"""The generation flow: train, test and export a model that continues plain texts."""

from flows.domain import domain_flow
from tasks.run import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, select, train


@domain_flow
def generation(run: Run) -> None:
    """Ingest texts, tokenize them, train, evaluate, export."""
    made = ingest(run)
    made |= preprocess(run, made)
    made |= train(run, made)
    made |= select(run, made)
    made |= evaluate(run, made)
    made |= export(run, made)
