"""The Dockerfile of a project: its steps, followed in a plain folder, because no daemon runs here."""

import re
import shlex
import shutil
import sys
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest

from conftest import ROOT
from gristmill.config import catalogue
from gristmill.deployment.dockerfile import DOCKERFILE, IGNORED, write_dockerfile
from gristmill.errors import RequestError
from gristmill.project.project import Project

WHEEL = f'pip install --no-cache-dir --no-deps --no-index --find-links wheels "gristmill=={version("gristmill")}"'
LOCKED = "numpy==2.0.0 \\\n    --hash=sha256:abc\n"


def steps(project: Path) -> list[tuple[str, str]]:
    """Return the steps of the Dockerfile, each with its words."""
    text = (project / DOCKERFILE).read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(step, " ".join(rest.split())) for step, _, rest in (line.partition(" ") for line in lines)]


def built(project: Path, image: Path) -> list[str]:
    """Follow the steps in a folder and return the commands of RUN, which are not run."""
    ignored = [line for line in (project / IGNORED).read_text().splitlines() if not line.startswith("#")]
    commands, folder = [], image
    for step, words in steps(project):
        if step == "WORKDIR":
            folder = image / words.lstrip("/")
            folder.mkdir(parents=True)
        elif step == "COPY":
            *_, source, target = [word for word in shlex.split(words) if not word.startswith("--")]
            for path in sorted(project.rglob("*") if source == "." else [project / source]):
                name = path.relative_to(project).as_posix()
                parts = [name, *(parent.as_posix() for parent in Path(name).parents)]
                kept = not any(fnmatch(part, each) or fnmatch(f"/{part}", each) for part in parts for each in ignored)
                if path.is_file() and (kept or source != "."):
                    (folder / target / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, folder / target / name)
        elif step == "RUN":
            commands.append(words)
    return commands


def test_the_image_holds_the_project_but_neither_its_store_nor_secrets(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (project / "requirements.lock").write_text(LOCKED)
    (project / ".dockerignore").write_text("private\n.dockerignore\n")
    names = ["private/a", "wheels/gristmill.whl", ".env", "data/store/artifacts/a", ".git/config", "sub/.env.local"]
    for name in (*names, "sub/code.py", "key.pem"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("S3CRET")
    assert write_dockerfile(catalogue.load(project)) == [project / DOCKERFILE, project / IGNORED]
    image = tmp_path_factory.mktemp("image")
    installs = [command for command in built(project, image) if command.startswith("pip ")]
    assert installs == [
        "pip install --no-cache-dir --require-hashes -r requirements.lock",
        WHEEL,
    ]
    found = {path.relative_to(image / "project").as_posix() for path in image.rglob("*") if path.is_file()}
    assert found == {"pipelines.toml", "requirements.lock", "series.csv", "sub/code.py", "wheels/gristmill.whl"}
    copied = Project.open(image / "project")  # it is a whole project, with a plan
    assert [each.name for each in copied.catalogue.pipelines.values()] == ["small"]
    assert {step.state for step in copied.plan("small")} == {"run", "depends"}


def test_the_steps_come_from_the_lock_and_end_as_another_user_than_root(project: Path) -> None:
    write_dockerfile(catalogue.load(project))
    found = steps(project)
    assert found[0] == ("FROM", f"python:{sys.version_info.major}.{sys.version_info.minor}-slim")
    assert found[-1] == ("USER", "gristmill")
    installs = [words for step, words in found if step == "RUN" and words.startswith("pip")]
    assert installs == [WHEEL, f'pip install --no-cache-dir "gristmill=={version("gristmill")}"']  # without a lock
    (project / "requirements.lock").write_text(
        f"{LOCKED}gristmill-extra==1\ngristmill==0.1 \\\n    --hash=sha256:abc\n"
    )
    write_dockerfile(catalogue.load(project))
    installs = [words for step, words in steps(project) if step == "RUN" and words.startswith("pip")]
    assert installs == ["pip install --no-cache-dir --require-hashes -r requirements.lock"]
    assert not re.search(r"TOKEN|PASSWORD|SECRET", (project / DOCKERFILE).read_text())


def test_the_lock_of_this_repository_pins_every_library_with_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    pinned = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert pinned
    assert all("==" in line and "--hash=sha256:" in line for line in pinned)


@pytest.mark.parametrize("name", [DOCKERFILE, IGNORED])
def test_a_file_of_the_users_is_kept(project: Path, name: str) -> None:
    (project / name).write_text("FROM scratch\n")
    with pytest.raises(RequestError, match=rf"{name} exists and was not written by gristmill. It is kept"):
        write_dockerfile(catalogue.load(project))
    assert (project / name).read_text() == "FROM scratch\n"
