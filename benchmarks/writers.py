"""Compare the text generation networks of pipelines.toml with n-gram models, over several seeds.

    benchmarks/writers.py NAME... [--seeds 0 1 2]

GRISTMILL_DATA names the folder of the texts.
"""

import argparse
import os
import statistics
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from timeseries import SEEDS, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    options = parser.parse_args()
    print("| pipeline | metric | by seed | mean | baselines | train s |\n|---|---|---|---:|---|---:|")
    with tempfile.TemporaryDirectory() as store:
        for name in options.names:
            found = [run(store, name, f"train.seed={seed}") for seed in options.seeds]
            metric = found[0]["scores"]["headline"]["metric"]
            scores = [result["scores"]["model"]["test"][metric] for result in found]
            others = {other: made["test"][metric] for other, made in found[0]["scores"]["baselines"].items()}
            cells = [
                name,
                metric.replace("_", " "),
                " ".join(f"{score:.3f}" for score in scores),
                f"{statistics.mean(scores):.3f}",
                ", ".join(f"{other} {score:.3f}" for other, score in others.items()),
                f"{statistics.mean(result['stages']['train']['seconds'] for result in found):.0f}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
