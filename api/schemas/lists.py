"""Lists as OpenAI has them, paged by the id of their last entry."""

from typing import Generic, Literal, Self, TypeVar

from pydantic import BaseModel

Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """A part of a list.  With `has_more`, ask again with `after` set to `last_id`."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | int | None
    last_id: str | int | None
    has_more: bool

    @classmethod
    def of(cls, items: list[Item], limit: int, key: str = "id") -> Self:
        """The page of `items`, which were asked for with one more than `limit` to see whether there is more."""
        shown = items[:limit]
        ids = [getattr(item, key) for item in shown]
        return cls(
            data=shown,
            first_id=ids[0] if ids else None,
            last_id=ids[-1] if ids else None,
            has_more=len(items) > limit,
        )


class Listing(BaseModel, Generic[Item]):
    """A list that is always short enough to be given whole."""

    object: Literal["list"] = "list"
    data: list[Item]
