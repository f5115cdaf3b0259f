"""What OpenAI's fine-tuning API has besides, and this one has not: said with the reason, as 404."""

from fastapi import APIRouter

from core.errors import NotFound

router = APIRouter(prefix="/fine_tuning", include_in_schema=False)


@router.api_route("/alpha/{rest:path}", methods=["GET", "POST"])
async def alpha(rest: str) -> None:
    """Graders."""
    raise NotFound("graders are not offered: they belong to reinforcement fine-tuning; `supervised` is what there is")


@router.api_route("/checkpoints/{checkpoint}/permissions", methods=["GET", "POST"])
@router.api_route("/checkpoints/{checkpoint}/permissions/{permission_id}", methods=["DELETE"])
async def permissions(checkpoint: str, permission_id: str = "") -> None:
    """Sharing checkpoints between projects."""
    raise NotFound("permissions of checkpoints are not offered: a model is served to every key of its project")
