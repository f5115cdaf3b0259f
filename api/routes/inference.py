"""The OpenAI inference paths, passed through to the gateway, so that one base URL serves all."""

from fastapi import APIRouter, Request, Response

from api.deps import GatewayDep

router = APIRouter(tags=["inference"])


@router.post("/v1/chat/completions", openapi_extra={"requestBody": {"content": {"application/json": {}}}})
async def chat_completions(request: Request, gateway: GatewayDep) -> Response:
    """OpenAI's chat completions, streaming and tools included; `model` is the alias or a live model's id."""
    return await gateway.forward(request, "/v1/chat/completions")


@router.post("/v1/completions", openapi_extra={"requestBody": {"content": {"application/json": {}}}})
async def completions(request: Request, gateway: GatewayDep) -> Response:
    """OpenAI's plain completions."""
    return await gateway.forward(request, "/v1/completions")
