"""Domains, with one package per domain.

A stage is a function with the name of its module. It takes tables of the pipeline's settings and artifact folders by
the name of the stage that wrote them, writes its own artifact to the folder `out`, and returns counts for the run
record. `schema` holds the rules that ingested data must meet, `files` a file of weights, or that of the user's own
model, followed by those that it imports. The module of a stage that workers may process in chunks has a function
`chunks` too.

Other packages look these up by name:

    settings            `TABLES` and `Schema`
    presets             `PRESETS`, the candidates of each preset
    dataset             `read`, which returns the preprocessed data
    few_examples        `cut`, for `gristmill check`
    schema_proposal     `propose`, for `gristmill schema`
    report              `sections` and `headline_picture`
    retraining          `news`, `diff`, `lost`, `drift` and `contest`; optional: `overrides` (settings of challengers),
                        `judgeable` (if some of the test set may be known to the champion), `recovery_tables`
    predict             `predict`; optional: `SUFFIXES` (a file is one item), `PLAIN` (a file may be one text),
                        `read_source` (predict from ingested data), `check_tensors` and `answer_of_tensors` (calls of
                        the SavedModel)
    generate            `generate`, in the domain without `predict`
    monitoring          `live_rows`; optional: `truth_column` (the truth does not arrive with the data). Text and vision
                        have it in `common/classification`, and domains without the table `monitor` have none

A domain also needs its stages in `config/stages.py`, a flow in `flows/` and `propose` in `scaffold/<domain>.py`.
"""
