"""The body of every error."""

from pydantic import BaseModel, Field


class ErrorProblem(BaseModel):
    """One of several problems."""

    message: str
    param: str | None
    code: str


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str
    problems: list[ErrorProblem] | None = Field(None, description="everything that is wrong, if more than one thing")


class ErrorBody(BaseModel):
    """Every error of the api."""

    error: ErrorDetail
