"""The text flow: train, test and export a classifier of strings."""

from flows.domain import domain_flow
from tasks.run_stage import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, train


@domain_flow
def text(run: Run) -> None:
    """Ingest texts, tokenize them, train, evaluate, export."""
    texts = ingest(run)
    tokens = preprocess(run, texts)
    network = train(run, tokens)
    scores = evaluate(run, tokens, network, texts)
    export(run, tokens, network, scores, texts)
