"""Kinds: a file in a package is a choice in `pipelines.toml`."""

from typing import get_args

import pytest

from gristmill.config.catalogue import tables_of
from gristmill.config.stages import DOMAINS
from gristmill.settings.kinds import kinds, settings_of

PACKAGES = sorted({table for domain in DOMAINS for table in tables_of(domain).values() if isinstance(table, str)})


def test_a_package_offers_its_modules() -> None:
    assert "csv" in kinds("gristmill.sources.tables")
    assert {"conv_lstm", "dense", "linear"} <= set(kinds("gristmill.domains.timeseries.models"))
    assert "__init__" not in kinds("gristmill.domains.timeseries.models")


@pytest.mark.parametrize(("package", "kind"), [(package, kind) for package in PACKAGES for kind in kinds(package)])
def test_a_kind_is_named_as_its_file(package: str, kind: str) -> None:
    found = settings_of(kind, package)
    assert found.__module__ == f"{package}.{kind}"
    assert get_args(found.model_fields["kind"].annotation) == (kind,)
