"""Answers over HTTP: the same as those of the command, by domain, and errors that name the field."""

import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from gristmill.model_server import answers
from gristmill.model_server.responses import Limits
from gristmill.project.prediction_formats import json_rows
from gristmill.project.project import Project
from helpers.browser import NAMES, executable, running
from helpers.model_servers import Served, served
from helpers.support import wait_until

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.slow

MONITOR = {"houses": '\n[pipelines.houses.monitor]\nid = "house"\n', "films": "\n[pipelines.films.monitor]\n"}
HOUSE = {"house": "h1", "area": 80, "rooms": 3}


@pytest.fixture(scope="module")
def copies(
    finished_project: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Project]:
    """Return a function that copies the finished project of a domain and opens it."""

    def copy(domain: str) -> Project:
        folder = tmp_path_factory.mktemp(domain) / "project"
        shutil.copytree(finished_project(domain), folder, symlinks=True)
        with (folder / "pipelines.toml").open("a") as file:
            file.write(next((table for name, table in MONITOR.items() if f"pipelines.{name}]" in _toml(folder)), ""))
        return Project.open(folder)

    return copy


def _toml(folder: Path) -> str:
    return (folder / "pipelines.toml").read_text()


def server_of(domain: str, *names: str) -> Any:
    """Return the fixture of a server of pipelines in a copy of a domain's project."""

    @pytest.fixture(scope="module")
    def running(copies: Callable[[str], Project]) -> Iterator[Served]:
        with served(copies(domain), *names) as found:
            yield found

    return running


houses, series = server_of("tabular", "houses"), server_of("timeseries", "small")
films, shapes = server_of("text", "films"), server_of("vision", "shapes")
letters = server_of("generation", "letters", "lines")


def test_rows_of_a_table_get_the_predictions_of_the_command_and_are_logged(houses: Served, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("house,area,rooms\nh1,80,3\nh2,120.5,\n")
    expected = json_rows(houses.project.predict("houses", str(file)))
    logged = len(houses.project.prediction_log("houses").read())

    rows = houses.predict(
        "houses", json.dumps({"rows": [HOUSE, {"house": "h2", "area": 120.5, "rooms": None}]}).encode()
    )
    one = houses.predict("houses", json.dumps([HOUSE]).encode())
    sent = houses.client.put("/predict/houses/new.csv", content=file.read_bytes(), headers={"Accept": "text/csv"})

    (run,) = houses.project.runs.newest_first("houses")
    assert (rows["pipeline"], rows["version"], rows["run"]) == ("houses", None, run.id)
    predicted = [row["predicted"] for row in expected]
    assert [row["predicted"] for row in rows["predictions"]] == pytest.approx(predicted, rel=1e-6)
    assert one["predictions"][0]["predicted"] == pytest.approx(predicted[0], rel=1e-6)
    assert sent.headers["gristmill-run"] == run.id
    assert sent.text.splitlines()[0] == "house,area,rooms,predicted"
    log = houses.project.prediction_log("houses").read()
    assert log["@id"].tolist()[logged:] == ["h1", "h2", "h1", "h1", "h2"]


def test_tensors_get_the_answer_of_tensorflow_serving(houses: Served) -> None:
    body = {"instances": [{"numbers": [80, 3]}, {"numbers": [120.5, None]}]}
    signature = houses.client.get("/v1/models/houses/metadata").json()["metadata"]["signature_def"]["signature_def"]
    (name,) = signature["serving_default"]["inputs"]
    single = {"instances": [{name: [80, 3]}, [120.5, None]]}

    found = houses.client.post("/v1/models/houses:predict", content=json.dumps(single)).json()
    columns = houses.client.post("/v1/models/houses:predict", json={"inputs": [[80, 3], [120.5, None]]}).json()
    state = houses.client.get("/v1/models/houses").json()
    other = houses.client.post("/v1/models/houses/versions/7:predict", json=body)

    log = houses.project.prediction_log("houses").read().tail(4)
    assert log[["area", "rooms"]].fillna(-1).to_numpy().tolist() == [[80, 3], [120.5, -1]] * 2
    np.testing.assert_allclose(log["price"].tail(2), np.ravel(columns["outputs"]))
    rows = houses.predict("houses", json.dumps([HOUSE, HOUSE | {"area": 120.5, "rooms": None}]).encode())
    expected = [[row["predicted"]] for row in rows["predictions"]]
    np.testing.assert_allclose(found["predictions"], expected, rtol=1e-6)
    np.testing.assert_allclose(columns["outputs"], expected, rtol=1e-6)
    assert state["model_version_status"][0] | {"version": ""} == {
        "version": "",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert (other.status_code, other.json()["error"][:37]) == (404, "houses: version '7' does not serve; r")


def test_a_forecast_continues_the_pipelines_data_or_a_file(series: Served) -> None:
    folder = series.project.catalogue.root
    expected = json_rows(series.project.predict("small", steps=3))
    source = (folder / "series.csv").read_bytes()

    assert series.predict("small", params={"steps": 3})["predictions"] == expected
    assert series.predict("small", b'{"steps": 3}')["predictions"] == expected
    assert series.client.post("/predict?steps=3").json()["predictions"] == expected  # of the only pipeline
    sent = series.client.put("/predict/small/series.csv?steps=3", content=source).json()
    forecast = [{name: row[name] for name in expected[0]} for row in sent["predictions"]]
    assert forecast == expected
    refused = series.client.post("/v1/models/small:predict", json={"instances": [1]})
    assert refused.status_code == 400
    assert "has no SavedModel, but keras. Use /predict, or add 'saved_model'" in refused.json()["error"]


def test_texts_are_classified_as_rows_files_and_plain_text(films: Served) -> None:
    texts = ["A rather lovely film!", "Quite a stale script"]
    expected = [films.project.predict("films", text=text).iloc[0] for text in texts]

    as_rows = films.predict("films", json.dumps({"rows": [texts[0], {"review": texts[1]}]}).encode())["predictions"]
    plain = films.predict("films", texts[0].encode(), headers={"Content-Type": "text/plain"})["predictions"]
    answer = films.client.post("/v1/models/films:predict", json={"instances": texts}).json()["predictions"]

    assert [row["predicted"] for row in as_rows] == [row["predicted"] for row in expected]
    assert [row["p_good"] for row in as_rows] == pytest.approx([row["p_good"] for row in expected], abs=1e-6)
    assert (plain[0]["file"], plain[0]["predicted"]) == ("body.txt", expected[0]["predicted"])
    assert [one["label"] for one in answer] == [row["predicted"] for row in expected]
    assert films.project.prediction_log("films").read()["stars"].isin(["dull", "good"]).all()


def test_unknown_words_are_a_warning_in_the_answer(films: Served) -> None:
    found = films.predict("films", json.dumps({"rows": ["zzz"]}).encode())
    assert found["warnings"] == ["1 of 1 texts contain no known token; ignore their predictions"]
    assert films.predict("films", b'["A lovely film"]')["warnings"] == []


def test_photos_are_classified_as_they_are(shapes: Served) -> None:
    photo = next((shapes.project.catalogue.root / "photos").rglob("*.jpg"))
    expected = shapes.project.predict("shapes", str(photo)).iloc[0]

    named = shapes.client.put("/predict/shapes/my.jpg", content=photo.read_bytes()).json()["predictions"]
    seen = shapes.predict("shapes", photo.read_bytes())["predictions"]  # what it is, is seen from its first bytes
    encoded = {"signature_name": "serving_bytes", "instances": [{"b64": base64.b64encode(photo.read_bytes()).decode()}]}
    answer = shapes.client.post("/v1/models/shapes:predict", json=encoded).json()
    broken = shapes.client.post("/v1/models/shapes:predict", json=encoded | {"instances": [{"b64": "aGk="}]})

    assert (named[0]["file"], named[0]["predicted"]) == ("my.jpg", expected["predicted"])
    assert seen[0]["probability"] == pytest.approx(expected["probability"], abs=1e-6)
    assert answer["predictions"][0]["label"] == expected["predicted"]
    assert broken.status_code == 400
    assert broken.json()["error"].startswith("instances[0].encoded: not a JPEG, PNG, ")


def test_text_is_generated_after_a_prompt(letters: Served) -> None:
    options = {"length": 12, "seed": 3}
    expected = "".join(letters.project.generate("letters", "the ", **options))
    assert letters.predict("letters", json.dumps(options | {"prompt": "the "}).encode())["text"] == expected
    plain = {"params": options, "headers": {"Content-Type": "text/plain"}}
    assert letters.predict("letters", b"the ", **plain)["text"] == expected
    refused = letters.client.post("/predict/letters", json={"length": 10**6})
    assert refused.json()["error"] == "length: expected 1 to 10,000. Received: 1000000."
    assert "No such" not in letters.client.post("/predict").json()["error"]
    assert letters.client.post("/predict").json()["error"] == "no pipeline '' is served. Served: letters, lines."


def test_a_promotion_and_a_rollback_change_the_model_of_later_requests(copies: Callable[[str], Project]) -> None:
    project = copies("tabular")
    project.promote("houses")
    again = next(iter(project.registry.versions("houses")))
    with served(project, "houses") as running:
        first = running.predict("houses", json.dumps([HOUSE]).encode())
        _second_version(project)
        running.champions.check()
        second = running.client.post("/predict/houses", json=[HOUSE])
        project.rollback("houses")
        running.champions.check()
        third = running.predict("houses", json.dumps([HOUSE]).encode())
        ready = running.client.get("/health/ready").json()

    assert (first["version"], again.number) == (1, 1)
    assert (second.json()["version"], second.headers["gristmill-version"]) == (2, "2")
    assert third == first
    assert ready == {"status": "ready", "models": {"houses": {"pipeline": "houses", "version": 1, "run": first["run"]}}}


def _second_version(project: Project) -> None:
    """Promote the same bundle again as version 2, as if own code had changed."""
    version = project.registry.version("houses", 1)
    record = project.runs.read("houses", version.run)
    made = project.registry.register(record, {"source.prepare": "another"}, version.git, {})
    assert made.number == 2
    project.registry.promote("houses", 2, "asked for")


def test_a_champion_that_cannot_be_loaded_leaves_the_one_before_it(
    copies: Callable[[str], Project], caplog: pytest.LogCaptureFixture
) -> None:
    project = copies("tabular")
    project.promote("houses")
    with served(project, "houses") as running:
        _second_version(project)
        bundle = project.registry.folder(project.registry.version("houses", 2))
        signature = (bundle / "signature.json").read_bytes()
        (bundle / "signature.json").write_text("{}")
        running.champions.check()
        running.champions.check()  # not again before some time has passed
        found = running.predict("houses", json.dumps([HOUSE]).encode())
        metrics = running.client.get("/metrics").text
        (bundle / "signature.json").write_bytes(signature)
        running.champions._retries.clear()  # as if that time has passed
        running.champions.check()
        assert running.predict("houses", json.dumps([HOUSE]).encode())["version"] == 2
    assert found["version"] == 1
    assert 'gristmill_model_load_failures_total{pipeline="houses"} 1.0' in metrics
    assert "houses: v1 stays in use: " in caplog.text


WRONG_BODIES = [
    (b"", "the body is empty. Expected rows as JSON, or a file."),
    (b"{", "the body is not JSON: "),
    (b"[]", "rows: expected a list of rows. Received: []."),
    (b'{"rows": 3}', "rows: expected a list of rows. Received: 3."),
    (b'{"row": []}', "unknown option 'row'."),
    (b'{"rows": [1]}', "rows[0]: expected an object with a value for each column. Received: 1."),
    (b'{"rows": [{"area": [1]}]}', "rows[0].area: expected a number, a text or null. Received: [1]."),
    (b'{"rows": [{"area": 1}]}', "rows: no columns 'house', 'rooms'. Columns: 'area'."),
    (
        b'{"rows": [{"house": "a", "area": "x", "rooms": 1}]}',
        "rows[0].area: not a finite number: 'x'.",
    ),
    (b'{"rows": [{"house": "a", "area": 1, "rooms": 1}], "steps": 2}', "unknown option 'steps'."),
    (b"area,rooms\n1,2\n", "the body is not JSON. Expected one of these values of Content-Type: application/json,"),
    (b"\x89PNG", "body.png"),
    (b"\x1f\x8b", "application/jsonl; or the name of the file in the address,"),  # not image/jpeg
    (b'[{"house": "\\ud800", "area": 1, "rooms": 1}]', "the body has a surrogate without its pair"),
]


@pytest.mark.parametrize(("body", "message"), WRONG_BODIES)
def test_a_wrong_body_is_named_in_one_line(houses: Served, body: bytes, message: str) -> None:
    answer = houses.client.post("/predict/houses", content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "gristmill-request" not in answer.text
    assert "\n" not in answer.json()["error"]


def test_two_hundred_malformed_requests_get_4xx_with_one_line(houses: Served) -> None:
    random = np.random.default_rng(0)
    valid = json.dumps({"rows": [HOUSE], "explain": True}).encode()
    paths = ["/predict/houses", "/v1/models/houses:predict", "/predict/houses/a.csv", "/predict/houses/a.jsonl"]
    for attempt in range(200):
        body = bytearray(valid)
        for _ in range(1 + attempt % 3):  # cut, and damaged at a few places
            body[random.integers(len(body))] = random.integers(256)
        damaged = bytes(body[: random.integers(1, len(body))])
        answer = houses.client.post(paths[attempt % 4], content=damaged)
        assert 400 <= answer.status_code < 500, (damaged, answer.text)
        assert answer.json().keys() == {"error"}
        assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("name", ["%2e%2e", "a%00.csv", "a" * 300 + ".csv", "a.csv.gz", "a.parquet", "a.CSV.zip"])
def test_a_name_of_a_file_that_is_not_accepted_is_an_error(houses: Served, name: str) -> None:
    answer = houses.client.put(f"/predict/houses/{name}", content=b"house,area,rooms\nh,1,2\n")
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_a_request_of_long_texts_or_deep_lists_takes_little_memory(houses: Served) -> None:
    wide = [["A" * 100_000, 1], *[["", 1]] * 2_000]
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    before = psutil.Process().memory_info().rss
    for instances in (wide, [deep]):
        answer = houses.client.post("/v1/models/houses:predict", json={"instances": instances})
        assert answer.status_code == 400
    assert psutil.Process().memory_info().rss - before < 200 << 20


def test_limits_and_other_web_pages(houses: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    address, release = str(houses.client.base_url), threading.Event()

    def held(*arguments: Any) -> None:
        release.wait(60)
        check: Callable[[], None] = arguments[-1]
        check()

    with served(houses.project, "houses", limits=Limits(bytes=50, seconds=0.5)) as small:
        large = small.client.post("/predict/houses", content=b"x" * 51)
        chunked = small.client.post("/predict/houses", content=iter([b"x" * 30, b"x" * 30]))
        with monkeypatch.context() as patch:
            patch.setattr(answers, "predict", held)
            slow = [small.client.post("/predict/houses", content=b"[]") for _ in range(2)]
            busy = small.server.is_busy
            release.set()
            wait_until(lambda: not small.server.is_busy, "the threads to end")
    page = houses.client.post("/predict/houses", content=b"[]", headers={"Origin": "http://evil.example"})
    own = houses.client.post("/predict/houses", content=b"[]", headers={"Origin": address})
    named = houses.client.get("/docs", headers={"Host": "evil.example"})

    assert [answer.status_code for answer in (large, chunked, *slow, page, own, named)] == [
        413,
        413,
        504,
        504,
        403,
        400,
        403,
    ]
    assert large.json()["error"] == chunked.json()["error"] == "the body: expected at most 50 bytes."
    assert slow[0].json()["error"] == "not answered within 0.5 seconds."
    assert busy


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nowhere", 404, "GET /nowhere: not found. See /docs."),
        ("DELETE", "/predict/houses", 405, "DELETE /predict/houses: method not allowed. Use POST, PUT."),
        ("POST", "/predict/house", 404, "no pipeline 'house' is served. Did you mean 'houses'? Served: houses."),
        ("GET", "/v1/models/none", 404, "no pipeline 'none' is served. Served: houses."),
    ],
)
def test_an_unknown_address_is_named(houses: Served, method: str, path: str, status: int, message: str) -> None:
    answer = houses.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"].replace("PUT, POST", "POST, PUT") == message


def test_the_description_has_the_columns_of_each_pipeline(houses: Served, letters: Served, series: Served) -> None:
    found = houses.client.get("/openapi.json").json()
    content = found["paths"]["/predict/houses"]["post"]["requestBody"]["content"]
    row = content["application/json"]["schema"]["properties"]["rows"]["items"]["properties"]
    assert {name: one["type"][0] for name, one in row.items()} == {
        "house": "string",
        "area": "number",
        "rooms": "number",
    }
    example = content["application/json"]["example"]
    assert len(houses.predict("houses", json.dumps(example).encode())["predictions"]) == 1
    of_letters = letters.client.get("/openapi.json").json()["paths"]["/predict/letters"]["post"]
    example = of_letters["requestBody"]["content"]["application/json"]["example"]
    assert letters.predict("letters", json.dumps(example | {"length": 5}).encode())["text"]
    assert {"/predict/lines", "/health/ready"} <= letters.client.get("/openapi.json").json()["paths"].keys()
    months = series.client.get("/openapi.json").json()["paths"]["/predict/small"]["post"]["requestBody"]["content"]
    assert list(months["application/json"]["schema"]["properties"]["rows"]["items"]["properties"]) == [
        "month",
        "sunspots",
    ]
    page = houses.client.get("/docs")
    assert "http" not in page.text.replace(str(houses.client.base_url).rstrip("/"), "")  # no resource from elsewhere
    assert "<code>rooms</code>" in page.text


def test_metrics_count_requests_and_rows(houses: Served) -> None:
    houses.predict("houses", json.dumps([HOUSE]).encode())
    found = houses.client.get("/metrics").text
    assert 'gristmill_requests_total{endpoint="predict",pipeline="houses",status="200"}' in found
    assert 'gristmill_batch_rows_bucket{le="1.0",pipeline="houses"}' in found
    assert houses.client.get("/health/live").json() == {"status": "live"}


def test_an_answer_is_logged_before_it_is_given(houses: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from gristmill.errors import StoreError
    from gristmill.monitoring.prediction_log import PredictionLog

    def full(*_: Any) -> None:
        raise StoreError("the disk is full. Free some space.")

    monkeypatch.setattr(PredictionLog, "add", full)
    answer = houses.client.post("/predict/houses", json=[HOUSE])
    assert (answer.status_code, answer.json()) == (503, {"error": "the disk is full. Free some space."})
    assert isinstance(houses.project.prediction_log("houses").read(), pd.DataFrame)


def test_a_browser_shows_the_page_and_sends_a_request(houses: Served, tmp_path: Path) -> None:
    command = executable()
    if command is None:
        pytest.skip(f"needs a browser on PATH, one of {', '.join(NAMES)}")
    with running(command, tmp_path / "profile") as browser:
        for width in (1280, 390):
            browser.open(f"{houses.client.base_url}/docs", width)
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert "rooms" in browser.evaluate("document.querySelector('table').textContent")
        browser.evaluate("document.querySelector('button').click() ?? true")
        answer = "document.querySelector('.answer').textContent"
        wait_until(lambda: browser.evaluate(answer).startswith("200"), "the answer")
        assert '"predicted"' in browser.evaluate(answer)
        assert browser.complaints() == []
