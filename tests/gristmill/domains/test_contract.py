"""Every domain fulfils the contract, and nothing outside knows one by its name."""

import inspect
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.cli.commands import predict as commands
from gristmill.config.domains import DOMAINS, domain_of
from gristmill.domains.common.prediction import Prediction, Requests
from gristmill.errors import RequestError
from gristmill.project.predictor import read_options
from gristmill.retraining.domain_retraining import DomainRetraining
from gristmill.settings import domain as contract
from gristmill.settings.domain import Domain
from gristmill.settings.selection import Preset
from gristmill.store.code_closure import PACKAGE, PackageCode, code_closure
from gristmill.util.files import StatCache

PROTOCOLS: dict[str, Any] = {
    "propose_pipeline": contract.ProposePipeline,
    "propose_schema": contract.ProposeSchema,
    "few_examples": contract.TakeFewExamples,
    "report": contract.Report,
    "generate": contract.Generate,
    "check_before_training": contract.CheckBeforeTraining,
}
CLASSES = {"retraining": DomainRetraining, "requests": Requests, "prediction": Prediction}
every_domain = pytest.mark.parametrize("domain", [pytest.param(domain_of(name), id=name) for name in DOMAINS])


def check_protocol(found: Any, protocol: Any) -> None:
    """Check that an object or module has each method of a protocol, and takes its arguments by their names."""
    for name, method in vars(protocol).items():
        if (name.startswith("_") and name != "__call__") or not inspect.isfunction(method):
            continue
        function = found if name == "__call__" else getattr(found, name)
        expected = [parameter for parameter in inspect.signature(method).parameters if parameter != "self"]
        assert list(inspect.signature(function).parameters)[: len(expected)] == expected, function


@every_domain
def test_every_reference_leads_to_what_the_contract_says(domain: Domain) -> None:
    assert domain_of(domain.name) is domain
    for name, protocol in PROTOCOLS.items():
        if reference := getattr(domain, name):
            check_protocol(reference.load(), protocol)
    for name, kind in CLASSES.items():
        if reference := getattr(domain, name):
            assert isinstance(reference.load(), kind), reference
    if domain.monitored:
        check_protocol(domain.monitored.monitoring.load(), contract.Monitoring)
    assert set(domain.presets.load()) == {*Preset.__args__} - {"none"}
    for stage in domain.stages:
        assert callable(stage.load())
        assert not stage.chunked or callable(stage.load_chunks())
    assert (domain.prediction is None) != (domain.generate is None)


@every_domain
def test_the_command_line_has_the_options_of_each_domain_with_its_defaults(domain: Domain) -> None:
    command = commands.generate if domain.generate else commands.predict
    parameters = inspect.signature(command).parameters
    for name, field in domain.predict_options.model_fields.items():
        assert parameters[name].default == field.default, name
    assert read_options(domain, {}) == domain.predict_options()


def test_numbers_of_numpy_are_options_too() -> None:
    assert read_options(domain_of("timeseries"), {"steps": np.int64(3)}).steps == 3
    assert read_options(domain_of("generation"), {"top_p": np.float32(0.5), "length": 9}).top_p == 0.5


def test_options_of_another_domain_and_values_out_of_range_are_refused() -> None:
    given = [("text", {"steps": 3}), ("timeseries", {"steps": 0}), ("generation", {"temperature": math.nan})]
    for name, options in given:
        with pytest.raises(RequestError, match=f"^--{next(iter(options))}: "):
            read_options(domain_of(name), options)


@every_domain
def test_no_stage_depends_on_the_object_of_its_domain_or_on_what_comes_after_it(domain: Domain, tmp_path: Path) -> None:
    modules = PackageCode(StatCache(tmp_path)).modules()
    presentation = {"report", "monitoring", "retraining", "requests", "schema_proposal"}
    for stage in domain.stages:
        reached = code_closure([stage.module], modules)
        of_domains = {name.rpartition(".")[2] for name in reached if name.startswith("gristmill.domains.")}
        assert not of_domains & {"domain", *presentation}, stage.name
        if stage.fits:
            assert not of_domains & {"comparison", "evaluate", "predict", "plots"}, stage.name


def test_outside_the_registry_no_domain_is_known_by_its_name() -> None:
    words = "|".join({*DOMAINS} - {"text"})  # "text" is a type of columns too
    name = re.compile(rf"""["']({words})["']|domain\w* (==|!=|in) ["'(]|gristmill\.domains\.({words}|text)\b""")
    files = [path for folder in ("gristmill", "tasks") for path in (PACKAGE.parent / folder).rglob("*.py")]
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{number}"
        for path in files
        if path.relative_to(PACKAGE.parent).parts[1] not in ("domains", "scaffold")
        if path != PACKAGE / "config/domains.py"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if name.search(line)
    ]
    assert len(files) > 300
    assert found == []
