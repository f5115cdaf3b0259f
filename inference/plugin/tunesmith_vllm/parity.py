"""What this server makes of a chat request and of its answer, without generating: for the gateway alone.

POST /v1/parity   {"model": …, "questions": [{"messages", "tools", "answer_ids"}, …]}

Every question goes the way of a chat completion: vLLM's request type, its renderer, its incremental detokenizer and its
parser of calls, once with the whole answer and once token by token.  Serving goes on meanwhile.
"""

import hashlib
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from vllm import __version__
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.exceptions import VLLMClientError
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.detokenizer import IncrementalDetokenizer

from tunesmith_vllm.generation import stop_ids_of

router = APIRouter(prefix="/v1/parity")


@router.post("")
async def parity(request: Request) -> JSONResponse:
    """One answer for each question, and what this server stops at, parses calls with and was started on."""
    state, body = request.app.state, await request.json()
    chat = state.openai_serving_chat
    parser = chat.parser_cls.tool_parser_cls if chat.parser_cls else None
    return JSONResponse(
        {
            "answers": [await _answer(chat, body["model"], question) for question in body["questions"]],
            "stop_ids": stop_ids_of(state.swap_engine.input_processor.generation_config_fields),
            "max_model_len": chat.model_config.max_model_len,
            "parser": parser.__name__ if parser else None,
            "vllm": __version__,
            "tokenizer": {name: _digest(value) for name, value in state.swap_checkpoint.tokenizer.items()},
        }
    )


async def _answer(chat: Any, model: str, question: dict[str, Any]) -> dict[str, Any]:
    """`prompt_ids`, `calls` and `streamed_calls`, or `error` when a client would get one."""
    tools = {"tools": question["tools"]} if question["tools"] else {}
    try:
        request = ChatCompletionRequest.model_validate({"model": model, "messages": question["messages"], **tools})
        rendered = await chat.render_chat_request(request)
    except (VLLMClientError, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    if isinstance(rendered, ErrorResponse):
        return {"error": rendered.error.message}
    [prompt] = rendered[1]
    prompt_ids, ids = list(chat._extract_prompt_components(prompt).token_ids), question["answer_ids"]
    deltas = _deltas(chat, request, prompt_ids, ids)
    return {
        "prompt_ids": prompt_ids,
        "calls": _calls(chat, request, "".join(deltas), ids),
        "streamed_calls": _streamed_calls(chat, request, prompt_ids, deltas, ids),
    }


def _deltas(chat: Any, request: ChatCompletionRequest, prompt_ids: list[int], ids: list[int]) -> list[str]:
    """The text that each token adds; the last one, at which generation stops, adds none."""
    params = request.to_sampling_params(len(ids), chat.default_sampling_params)
    core = EngineCoreRequest("parity", prompt_ids, None, params, None, 0.0, None, None, None)
    detokenizer = IncrementalDetokenizer.from_new_request(chat.renderer.tokenizer, core)
    deltas = []
    for number, token in enumerate(ids, start=1):
        finished = number == len(ids)
        detokenizer.update([token], finished)
        deltas.append(detokenizer.get_next_output_text(finished, delta=True))
    return deltas


def _calls(chat: Any, request: ChatCompletionRequest, text: str, ids: list[int]) -> list[dict[str, str]]:
    if (parser := _parser(chat, request)) is None:
        return []
    _, _, calls = parser.parse(text, request, enable_auto_tools=chat.enable_auto_tools, model_output_token_ids=ids)
    return [{"name": call.name, "arguments": call.arguments} for call in calls or ()]


def _streamed_calls(
    chat: Any, request: ChatCompletionRequest, prompt_ids: list[int], deltas: list[str], ids: list[int]
) -> list[dict[str, str]]:
    """The calls as a client puts them together from the pieces."""
    if (parser := _parser(chat, request)) is None:
        return []
    calls: list[dict[str, str]] = []
    for number, (text, token) in enumerate(zip(deltas, ids, strict=True), start=1):
        message = parser.parse_delta(text, [token], request, prompt_ids, finished=number == len(ids))
        for piece in (message.tool_calls if message else None) or ():
            while len(calls) <= piece.index:
                calls.append({"name": "", "arguments": ""})
            function = piece.model_dump()["function"] or {}
            for key in ("name", "arguments"):
                calls[piece.index][key] += function.get(key) or ""
    return calls


def _parser(chat: Any, request: ChatCompletionRequest) -> Any:
    if chat.parser_cls is None:
        return None
    return chat._make_parser(request, chat.renderer.tokenizer, chat._effective_chat_template_kwargs(request))


def _digest(value: str) -> str:
    """tokenizer_config.json is kept as its text, every other file as its digest."""
    return hashlib.sha256(value.encode()).hexdigest() if value.startswith("{") else value
