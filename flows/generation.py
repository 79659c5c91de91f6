"""The generation flow: train, test and export a network that continues plain texts."""

from flows.domain import domain_flow
from tasks.run_stage import Run
from tasks.stage_tasks import evaluate, export, ingest, preprocess, train


@domain_flow
def generation(run: Run) -> None:
    """Ingest texts, tokenize them, train, evaluate, export."""
    texts = ingest(run)
    tokens = preprocess(run, texts)
    network = train(run, tokens)
    scores = evaluate(run, tokens, network)
    export(run, tokens, network, scores)
