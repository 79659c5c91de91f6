"""The modules that each stage depends on, as `closures.json` pins them: an edit of one makes the stage run again.

To accept a change, run `python tests/gristmill/domains/test_closures.py` and look at the difference.
"""

import json
import tempfile
from pathlib import Path

import pytest

from gristmill.config.domains import DOMAINS, domain_of
from gristmill.store.code_closure import PackageCode, code_closure
from gristmill.util.files import StatCache

FILE = Path(__file__).with_name("closures.json")


def closures(memo: Path) -> dict[str, list[str]]:
    """Return the modules of each stage's closure, without those of kinds that a pipeline chooses."""
    modules = PackageCode(StatCache(memo)).modules()
    return {
        f"{name} {stage.name}": list(code_closure([stage.module], modules))
        for name in DOMAINS
        for stage in domain_of(name).stages
    }


@pytest.mark.fault(19)
def test_the_modules_that_each_stage_depends_on_are_pinned(tmp_path: Path) -> None:
    assert closures(tmp_path) == json.loads(FILE.read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE.write_text(json.dumps(closures(Path(folder)), indent=1) + "\n")
