"""A server of champions under kills, promotions, garbage and many requests."""

import itertools
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from gristmill.project.project import Project
from helpers.model_servers import Served, served, serving
from helpers.scoreboard import Fault
from helpers.support import Command, wait_until

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.slow

MONITOR = '\n[pipelines.houses.monitor]\nid = "house"\n'
KILLS = 100 if Fault.full else 2
PROMOTIONS = 1_000 if Fault.full else 20
GARBAGE = 3_000 if Fault.full else 150
REQUESTS = 100_000 if Fault.full else 400
MAX_GROWTH = 30 << 20  # bytes, after the first tenth of the requests


@pytest.fixture
def houses(finished_project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of houses whose predictions are logged; the current folder of the test."""
    shutil.copytree(finished_project("tabular"), tmp_path, symlinks=True, dirs_exist_ok=True)
    with (tmp_path / "pipelines.toml").open("a") as file:
        file.write(MONITOR)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def running(houses: Path) -> Iterator[Served]:
    with served(Project.open(houses), "houses") as running:
        yield running


def house(name: str) -> dict[str, Any]:
    return {"house": name, "area": 80, "rooms": 3}


@pytest.mark.fault(36)
def test_every_answered_prediction_is_logged_once_when_the_server_is_killed(houses: Path, fault: Fault) -> None:
    random, answered, numbers = np.random.default_rng(0), list[int](), itertools.count(100)

    def ask(address: str, path: str) -> None:
        with httpx.Client(base_url=address, timeout=30) as http:
            for number in numbers:  # the area, by which a row is found in the log
                body = {"instances": [[number, 3]]} if ":" in path else [house("a") | {"area": number}]
                try:
                    answer = http.post(path, json=body)
                except httpx.TransportError:
                    return
                if answer.status_code == 503:  # it is ending
                    return
                assert answer.status_code == 200
                answered.append(number)

    for kill in range(KILLS):
        before = len(answered)
        with serving(houses, "houses") as process:
            paths = ("/predict/houses", "/v1/models/houses:predict")
            clients = [threading.Thread(target=ask, args=(process.address, path)) for path in paths]
            for client in clients:
                client.start()
            wait_until(lambda least=before: len(answered) > least, "an answer")
            time.sleep(random.uniform(0, 0.3))
            if kill < KILLS - 1:
                process.process.kill()
            else:  # the last one ends by itself
                process.process.terminate()
                assert process.process.wait(60) == 0
            for client in clients:
                client.join()
        logged = Project.open(houses).prediction_log("houses").read()["area"].astype(int).tolist()
        assert set(answered) <= set(logged)
        assert len(logged) == len(set(logged))
    fault.tried(KILLS)
    assert len(answered) >= KILLS


@pytest.mark.fault(37)
def test_no_answer_fails_or_is_mixed_while_champions_change(houses: Path, command: Command, fault: Fault) -> None:
    project = Project.open(houses)
    project.promote("houses")
    assert command("run", "houses", "--set", "train.seed=7").status == 0
    other = next(project.runs.newest_first("houses"))
    project.promote("houses", run=other.id)
    expected = {number: _predicted(project.predict("houses", str(_file(houses)), version=number)) for number in (1, 2)}
    assert expected[1] != pytest.approx(expected[2], rel=1e-3)
    ended, wrong, versions = threading.Event(), list[str](), list[int]()

    def ask(client: httpx.Client, address: str, body: Any, read: Callable[[Any], float]) -> None:
        while not ended.is_set():
            answer = client.post(address, json=body)
            found = answer.json()
            version = found.get("version")
            if answer.status_code != 200 or read(found) != pytest.approx(expected[version], rel=1e-5):
                wrong.append(answer.text)
            versions.append(version)

    with served(project, "houses") as running:
        following = running.champions.follow()
        asked = [
            ("/predict/houses", [house("a")], lambda found: found["predictions"][0]["predicted"]),
            ("/v1/models/houses:predict", {"instances": [[80, 3]]}, lambda found: found["predictions"][0][0]),
        ]
        clients = [threading.Thread(target=ask, args=(running.client, *one)) for one in asked]
        for client in clients:
            client.start()
        try:
            for number in range(PROMOTIONS):
                serving = 1 + number % 2
                if number % 3:
                    project.promote("houses", serving)
                elif project.champion("houses") != serving:
                    project.rollback("houses")
                if number % 7 == 6:  # each version in turn
                    wait_until(lambda number=serving: versions[-1:] == [number], "the champion to serve")
        finally:
            ended.set()
            for client in clients:
                client.join()
            running.champions.stop()
            following.join()
    fault.tried(PROMOTIONS)
    assert wrong == []
    assert set(versions) == {1, 2}


def _file(folder: Path) -> Path:
    path = folder / "one.jsonl"
    path.write_text(json.dumps(house("a")) + "\n")
    return path


def _predicted(frame: Any) -> float:
    return float(frame["predicted"].iloc[0])


@pytest.mark.fault(38)
def test_garbage_does_not_end_the_server(running: Served, fault: Fault) -> None:
    random = np.random.default_rng(0)
    address = running.client.base_url.host, running.client.base_url.port or 0
    valid = json.dumps([house("a")]).encode()
    head = b"POST /predict/houses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(valid)
    for attempt in range(GARBAGE):
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(_garbage(random, attempt, head + valid))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    fault.tried(GARBAGE)
    assert running.client.get("/health/ready").json()["status"] == "ready"
    assert len(running.predict("houses", valid)["predictions"]) == 1


def _garbage(random: np.random.Generator, attempt: int, request: bytes) -> bytes:
    """Return random bytes, or a request that is cut or has damaged bytes."""
    if attempt % 3 == 0:
        return random.bytes(int(random.integers(1, 2_000)))
    if attempt % 3 == 1:
        return request[: random.integers(1, len(request))]
    damaged = bytearray(request)
    for _ in range(random.integers(1, 6)):
        damaged[random.integers(len(damaged))] = random.integers(256)
    return bytes(damaged)


@pytest.mark.fault(39)
def test_memory_stays_flat_over_many_requests(running: Served, fault: Fault) -> None:
    process, body = psutil.Process(), json.dumps([house("a")]).encode()
    tensors, wrong = b'{"instances": [[80, 3]]}', b'{"instances": [[80]]}'
    sizes = []
    for number in range(REQUESTS):
        if number % 50 == 0:
            running.predict("houses", body)
        answer = running.client.post("/v1/models/houses:predict", content=tensors if number % 5 else wrong)
        assert answer.status_code == (200 if number % 5 else 400)
        if number in (REQUESTS // 10, REQUESTS - 1):
            sizes.append(process.memory_info().rss)
    fault.tried(REQUESTS)
    fault.used((sizes[1] - sizes[0]) / (1 << 20))
    assert sizes[1] - sizes[0] < MAX_GROWTH
