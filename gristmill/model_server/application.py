"""The HTTP application: addresses, limits, and errors as answers.

    POST /predict/NAME[/FILE]            rows, a file, a text or a photo
    POST /v1/models/NAME:predict         tensors, as TensorFlow Serving speaks it; also …/versions/N:predict
    GET  /v1/models/NAME[/metadata]      state and signatures, likewise
    GET  /health/live, /health/ready     for the platform that runs the server
    GET  /metrics                        for Prometheus
    GET  /docs, /openapi.json            for people and for clients

Every answer of a model names its version. An error is an object with one line, `error`.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import local
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from gristmill.errors import GristmillError
from gristmill.model_server import answers, openapi, tensorflow_serving
from gristmill.model_server.answers import Check
from gristmill.model_server.champions import Champions, RequestMetrics, ServedModel
from gristmill.model_server.responses import (
    Limits,
    Refused,
    as_json,
    error_response,
    headers,
    in_fields,
    internal_error,
    origin,
    unknown_address,
)
from gristmill.project.prediction_formats import Format, encode, json_rows
from gristmill.settings.messages import did_you_mean

_MAX_THREADS = 16  # that answer requests; others wait
_MAX_REQUESTS = 128  # that wait or are answered; others are refused, since their bodies are in memory
_HTML_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)
Handler = Callable[[Request], Awaitable[Response]]


class ModelServer:
    """Handlers of all addresses."""

    def __init__(
        self, champions: Champions, metrics: RequestMetrics, limits: Limits, hosts: frozenset[str] = frozenset()
    ) -> None:
        """`hosts` are the names, in lower case, by which clients may call the server; all if there are none."""
        self._champions, self._metrics, self._limits, self._hosts = champions, metrics, limits, hosts
        self.warnings = RequestWarnings()
        self._requests = 0  # that wait or are answered
        self._threads = ThreadPoolExecutor(_MAX_THREADS)
        self._work: set[Future[Response]] = set()  # that waits for a thread, or has one

    def application(self, **options: Any) -> Starlette:
        """Return the application; `options` are those of Starlette."""
        post, get = ["POST", "PUT"], ["GET"]
        routes = [
            Route(f"/predict{rest}", self._measure("predict", self.predict), methods=post)
            for rest in ("", "/{name}", "/{name}/{file:path}")
        ]
        for model in ("/v1/models/{name}", "/v1/models/{name}/versions/{version}"):
            routes += [
                Route(f"{model}:predict", self._measure("call", self.call), methods=post),
                Route(f"{model}/metadata", self._answer_errors(self.metadata), methods=get),
                Route(model, self._answer_errors(self.state), methods=get),
            ]
        routes += [
            Route("/health/live", self.live, methods=get),
            Route("/health/ready", self.ready, methods=get),
            Route("/metrics", self.show_metrics, methods=get),
            Route("/openapi.json", self._answer_errors(self.show_openapi), methods=get),
            Route("/docs", self._answer_errors(self.show_docs), methods=get),
            Route("/", self._answer_errors(self.show_docs), methods=get),
        ]
        handlers: dict[Any, Any] = {HTTPException: unknown_address, Exception: internal_error}
        return Starlette(routes=routes, exception_handlers=handlers, **options)

    async def predict(self, request: Request, model: ServedModel) -> Response:
        """Predict rows, a file, a text or a photo as they are."""
        body = await self._body(request)
        content_type = request.headers.get("content-type", "")
        file = request.path_params.get("file", "")
        # CSV is preferred if the header names it before JSON.
        accepted = [media.partition(";")[0].strip().lower() for media in request.headers.get("accept", "").split(",")]
        as_csv = "text/csv" in accepted and "application/json" not in accepted[: accepted.index("text/csv")]

        def answer(check: Check) -> Response:
            with self.warnings.collected() as messages:
                predictions = answers.predict(model, body, file, content_type, request.query_params, check)
            warnings = [in_fields(message) for message in messages]
            if isinstance(predictions, str):
                return as_json(origin(model) | {"text": predictions, "warnings": warnings}, model)
            if as_csv:
                return Response(encode(predictions, Format.CSV), media_type="text/csv", headers=headers(model))
            return as_json(origin(model) | {"predictions": json_rows(predictions), "warnings": warnings}, model)

        return await self._in_thread(answer)

    async def call(self, request: Request, model: ServedModel) -> Response:
        """Answer as TensorFlow Serving does."""
        body = await self._body(request)

        def answer(check: Check) -> Response:
            return as_json(answers.call(model, body, check) | origin(model), model)

        return await self._in_thread(answer)

    async def state(self, request: Request) -> Response:
        """Return the state of a model as TensorFlow Serving does."""
        model = self._model(request)
        status = {"error_code": "OK", "error_message": ""}
        state = {"version": str(model.version or 0), "state": "AVAILABLE", "status": status}
        return as_json({"model_version_status": [state]} | origin(model), model)

    async def metadata(self, request: Request) -> Response:
        """Return the signatures of a model."""
        model = self._model(request)
        signatures = tensorflow_serving.metadata(answers.saved_model_of(model).signatures)
        spec = {"name": model.pipeline, "signature_name": "", "version": str(model.version or 0)}
        return as_json({"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}, model)

    async def live(self, request: Request) -> Response:
        """Say that the process answers."""
        return as_json({"status": "live"})

    async def ready(self, request: Request) -> Response:
        """Say whether all models are loaded."""
        models = {model.pipeline: origin(model) for model in self._champions.loaded}
        if missing := self._champions.missing:
            return as_json({"status": "loading", "loading": missing, "models": models}, status=503)
        if not self._champions.is_following:
            return as_json({"status": "no longer follows promotions; restart it", "models": models}, status=503)
        return as_json({"status": "ready", "models": models})

    async def show_metrics(self, request: Request) -> Response:
        """Return the metrics in the text format of Prometheus."""
        return PlainTextResponse(self._metrics.as_text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def show_openapi(self, request: Request) -> Response:
        """Return the description of all addresses with the columns of each pipeline."""
        return as_json(openapi.document(self._all_models()))

    async def show_docs(self, request: Request) -> Response:
        """Return the page on which people try the models."""
        page = openapi.page(self._all_models(), str(request.base_url).rstrip("/"))
        return HTMLResponse(page, headers={"Content-Security-Policy": _HTML_POLICY})

    def _all_models(self) -> list[ServedModel]:
        if self._champions.missing:
            raise Refused(503, f"the model of {self._champions.missing[0]} is being loaded. Try again.")
        return self._champions.loaded

    def _model(self, request: Request) -> ServedModel:
        """Return the model that a request names; of a single pipeline, the name may be left out."""
        known = self._champions.pipelines
        name = request.path_params.get("name") or (known[0] if len(known) == 1 else "")
        if name not in known:
            listed = ", ".join(known)
            raise Refused(404, f"no pipeline {name!r} is served.{did_you_mean(name, known)} Served: {listed}.")
        model = self._champions.get(name)
        if model is None:
            raise Refused(503, f"the model of {name} is being loaded. Try again.")
        version = request.path_params.get("version")
        if version is not None and version != str(model.version or 0):
            raise Refused(404, f"{name}: version {version!r} does not serve; {model.name} does.")
        return model

    async def _body(self, request: Request) -> bytes:
        """Return the body of a request."""
        limit, announced = self._limits.bytes, request.headers.get("content-length", "")
        too_large = Refused(413, f"the body: expected at most {limit:,} bytes.")
        if announced.isdigit() and int(announced) > limit:
            raise too_large
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise too_large
        return bytes(body)

    async def _in_thread(self, answer: Callable[[Check], Response]) -> Response:
        """Answer in a thread; it gets a function that raises `TimeoutError` if nobody waits for the answer any more.

        A thread cannot be stopped, so it keeps its place until it ends, also after its request has timed out.
        """
        deadline = time.monotonic() + self._limits.seconds

        def check() -> None:
            if time.monotonic() > deadline:
                raise TimeoutError

        work = self._threads.submit(answer, check)
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        return await asyncio.wrap_future(work)

    @property
    def is_busy(self) -> bool:
        """Whether threads still work for requests."""
        return any(work.running() for work in [*self._work])

    def _measure(self, endpoint: str, handler: Callable[[Request, ServedModel], Awaitable[Response]]) -> Handler:
        """Return a handler that answers errors and counts requests; a request has one model until it is answered."""

        async def handle_with_model(request: Request) -> Response:
            request.state.model = model = self._model(request)
            if self._requests > _MAX_REQUESTS:
                raise Refused(503, f"{_MAX_REQUESTS} requests are being answered. Try again.")
            async with asyncio.timeout(self._limits.seconds):
                return await handler(request, model)

        answered = self._answer_errors(handle_with_model)

        async def handle(request: Request) -> Response:
            begin, status = time.perf_counter(), 500
            self._requests += 1
            try:
                response = await answered(request)
                status = response.status_code
                return response
            finally:
                self._requests -= 1
                name = request.state.model.pipeline if hasattr(request.state, "model") else ""
                self._metrics.requests.labels(name, endpoint, status).inc()
                self._metrics.seconds.labels(name, endpoint).observe(time.perf_counter() - begin)

        return handle

    def _answer_errors(self, handler: Handler) -> Handler:
        """Return a handler that answers errors."""

        async def handle(request: Request) -> Response:
            try:
                self._check_origin(request)
                return await handler(request)
            except (Refused, GristmillError, TimeoutError, ClientDisconnect) as error:
                return error_response(error, self._limits, getattr(request.state, "model", None))

        return handle

    def _check_origin(self, request: Request) -> None:
        """Refuse requests of other web pages in a browser, also under a name that they let resolve to this machine."""
        host = request.headers.get("host", "").lower()
        if self._hosts and _without_port(host) not in self._hosts:
            known = ", ".join(sorted(self._hosts))
            raise Refused(403, f"Host {host!r}: the server answers to {known}. Add --allow-host.")
        sender = request.headers.get("origin", "").lower()
        page = sender.partition("://")[2]
        if sender and page != host and _without_port(page) not in self._hosts:
            raise Refused(403, f"Origin {sender!r}: pages of other servers are refused. Add --allow-host.")


def _without_port(host: str) -> str:
    return re.sub(r":\d+$", "", host)


class RequestWarnings(logging.Handler):
    """Collect the warnings that a thread logs while it answers a request."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of_thread = local()

    @contextmanager
    def collected(self) -> Iterator[list[str]]:
        """Yield the list to which the warnings of this thread are added in the block."""
        self._of_thread.messages = messages = list[str]()
        try:
            yield messages
        finally:
            del self._of_thread.messages

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(self._of_thread, "messages"):
            self._of_thread.messages.append(record.getMessage())

    def install(self) -> None:
        """Receive the records of gristmill, and keep those of requests from the other handlers."""
        log = logging.getLogger("gristmill")
        for other in log.handlers:
            other.addFilter(lambda record: not hasattr(self._of_thread, "messages"))
        log.addHandler(self)
