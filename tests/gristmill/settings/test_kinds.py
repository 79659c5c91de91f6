"""Kinds: a class with a field `kind` in a package is a choice in `pipelines.toml`."""

from typing import get_args

import pytest

from gristmill.config.domains import DOMAINS, domain_of
from gristmill.domains.timeseries.models.naive import Naive, SeasonalNaive
from gristmill.domains.timeseries.patterns.longer_season import LongerSeasonalNaive
from gristmill.settings.kinds import Kinds, kinds, names_of, settings_of

WEEK = {"kind": "seasonal_naive", "season": 336}
TABLES = [table for domain in DOMAINS for table in domain_of(domain).tables.values()]
PACKAGES = sorted({package for table in TABLES if isinstance(table, Kinds) for package in table.packages})


def test_a_package_offers_the_kinds_of_its_modules() -> None:
    assert "csv" in kinds("gristmill.sources.tables")
    offered = kinds("gristmill.domains.timeseries.models")
    assert offered == sorted(offered)
    assert {"naive", "drift", "ets", "linear", "boosted_trees", "dense", "gru", "lstm", "rnn"} < set(offered)


def test_a_module_may_offer_several_kinds() -> None:
    modules = {settings_of(kind, "gristmill.domains.timeseries.models").__module__ for kind in ("gru", "lstm", "rnn")}

    assert modules == {"gristmill.domains.timeseries.models.sequence"}


def test_the_last_of_several_packages_counts() -> None:
    packages = ("gristmill.sources.tables", "gristmill.sources.texts")

    assert settings_of("inline", *packages).__module__ == "gristmill.sources.texts.inline"
    assert settings_of("inline", *reversed(packages)).__module__ == "gristmill.sources.tables.inline"


@pytest.mark.parametrize(("package", "kind"), [(package, kind) for package in PACKAGES for kind in kinds(package)])
def test_the_settings_of_a_kind_take_that_kind_alone(package: str, kind: str) -> None:
    assert get_args(settings_of(kind, package).model_fields["kind"].annotation) == (kind,)


def test_models_of_one_kind_are_numbered_whatever_their_settings() -> None:
    naive, day, week = Naive(kind="naive"), SeasonalNaive(kind="seasonal_naive"), SeasonalNaive.model_validate(WEEK)
    by_itself = LongerSeasonalNaive.model_validate(WEEK)

    assert list(names_of([naive, day, week, naive, week, by_itself])) == [
        *("naive", "seasonal_naive", "seasonal_naive-2", "naive-2", "seasonal_naive-3", "seasonal_naive-336"),
    ]
    assert list(names_of([week, naive], reserved_names=["seasonal_naive", "naive"])) == ["seasonal_naive-2", "naive-2"]
