"""`POST /v1/chat/completions` and `/v1/completions`: through the gate, to vLLM, and back under the public name."""

import asyncio
import logging

from core.access import Grant, Scope
from core.errors import NotServing, ServiceError, TookTooLong, UpstreamFailed
from core.http_client import Answer, BrokenOff, HttpClient
from core.key_ring import KeyRing
from core.passthrough import did_not_answer, headers_to_send
from core.rate_limits import RateLimits
from core.settings import Settings
from inference.answers import pass_on
from inference.asked import Asked
from inference.attended import Attended
from inference.connection import Call, ClientLeft
from inference.exchange import CLIENT_LEFT, REQUEST_ID_HEADER, Exchange
from inference.limits import Admission, Limits
from inference.metrics import Metrics
from inference.names import ModelEcho
from inference.routes import Passage, Routes, Target

log = logging.getLogger(__name__)
ATTEMPTS = 2
DEATH_NOTICED_WITHIN_S = 1.0


class Completions:
    """A request is inside of its gate until its last byte has gone out."""

    def __init__(self, routes: Routes, settings: Settings, metrics: Metrics, keys: KeyRing) -> None:
        self._routes = routes
        self._metrics = metrics
        self._keys = keys
        self._rates = RateLimits()
        self._admission = Admission(settings.max_requests)
        self._limits = Limits(settings.max_body_bytes, settings.max_answer_tokens, settings.max_choices)
        self._timeout_s = settings.request_timeout_s
        self._clients: dict[str, HttpClient] = {}
        metrics.watch(lambda: self._admission.held, routes.inside)

    async def serve(self, call: Call) -> None:
        """Answer a request, whatever happens."""
        exchange = Exchange(call)
        grant = None
        try:
            grant = await self._keys.grant(exchange.authorization)
            grant.require(Scope.INFER)
            project = grant.within(exchange.project)
            exchange.is_evaluation = exchange.is_marked and grant.opens(Scope.ADMIN) and grant.project is None
            if grant.limits:
                self._admit(exchange, grant)
            with self._admission, Attended(call, self._timeout_s):
                body = await self._limits.read_body(call, exchange.declared_length)
                await self._answer(exchange, Asked(body), project)
        except ServiceError as error:
            await exchange.fail(error)
        except TimeoutError:
            await exchange.fail(
                TookTooLong(
                    f"the answer took longer than {self._timeout_s:g} s: ask for fewer tokens, "
                    "or raise TUNESMITH_REQUEST_TIMEOUT_S"
                )
            )
        except ClientLeft:
            exchange.status = CLIENT_LEFT
        except asyncio.CancelledError:
            await exchange.fail(NotServing("the gateway is shutting down: send the request again"))
        except Exception:
            log.exception("request.failed request_id=%s", exchange.request_id.decode())
            await exchange.fail(ServiceError("the gateway failed: see its log"))
        finally:
            self._record(exchange)
            if grant is not None and grant.limits:
                self._rates.spend(grant.limits, exchange.tokens_used)

    def close(self) -> None:
        """Close the idle connections."""
        for client in self._clients.values():
            client.close()

    def _admit(self, exchange: Exchange, grant: Grant) -> None:
        """RateLimited when the minute's requests, or tokens, of the key or of its project are used up."""
        try:
            self._rates.admit(grant.limits)
        finally:
            exchange.rate_headers = self._rates.headers(grant.limits)

    async def _answer(self, exchange: Exchange, asked: Asked, project: str | None) -> None:
        self._limits.check(asked)
        for attempts_left in reversed(range(ATTEMPTS)):
            async with self._routes.passing(asked.model, project) as passage:
                exchange.passage = passage
                try:
                    return await self._pass(exchange, asked, passage)
                except UpstreamFailed as error:
                    if exchange.status or not attempts_left:
                        raise
                    self._record_trial(exchange, error)
                    exchange.passage = None
            await self._until_death_is_noticed(passage.target)

    async def _pass(self, exchange: Exchange, asked: Asked, passage: Passage) -> None:
        target, trial = passage.target, passage.trial
        answer = await self._ask(exchange, asked, target)
        echo = None if asked.model == target.engine_name else ModelEcho(target.engine_name, asked.model)
        keep = trial is not None and not exchange.is_evaluation and trial.wants(target, asked.offers_tools)
        try:
            kept = await pass_on(answer, exchange, echo, keep=keep)
        finally:
            answer.close()
        if trial is not None and kept is not None:
            trial.check(target, asked.body, kept)

    async def _ask(self, exchange: Exchange, asked: Asked, target: Target) -> Answer:
        base_url = target.backend.base_url
        client = self._clients.get(base_url) or self._clients.setdefault(base_url, HttpClient(base_url))
        call = exchange.call
        path = call.path + b"?" + call.query if call.query else call.path
        ours = [
            (b"authorization", b"Bearer " + target.backend.api_key.encode()),
            (REQUEST_ID_HEADER, exchange.request_id),
        ]
        try:
            return await client.request(
                b"POST", path, headers_to_send(call.headers, ours), asked.for_model(target.engine_name)
            )
        except BrokenOff as error:
            raise did_not_answer("vLLM", base_url, error) from error

    async def _until_death_is_noticed(self, target: Target) -> None:
        """vLLM broke off before it answered.  Nothing was sent, so the request waits for the next vLLM at the gate."""
        clock, gate = asyncio.get_running_loop().time, target.backend.gate
        deadline = clock() + DEATH_NOTICED_WITHIN_S
        while gate.closed_for is None and self._routes.table.holds(target) and clock() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _record(self, exchange: Exchange) -> None:
        self._metrics.count(exchange, asyncio.get_running_loop().time())
        if exchange.status != CLIENT_LEFT:
            self._record_trial(exchange, exchange.error)

    def _record_trial(self, exchange: Exchange, error: ServiceError | None) -> None:
        if (passage := exchange.passage) is None or passage.trial is None or exchange.is_evaluation:
            return
        is_error = exchange.status >= 500 or (error is not None and error.status >= 500)
        passage.trial.record(passage.target, is_error, exchange.first_token_s)
