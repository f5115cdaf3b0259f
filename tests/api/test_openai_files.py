"""`client.files` of OpenAI's SDK."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.api.uploading import empty_file_store, rows_of, stored
from tests.conftest import Services
from tests.sdk import Sdk


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    empty_file_store()
    yield
    empty_file_store()


def upload(sdk: Sdk, content: bytes, purpose: str = "fine-tune") -> openai.types.FileObject:
    file: openai.types.FileObject = sdk(sdk.client.files.create(file=("train.jsonl", content), purpose=purpose))
    return file


def test_a_file_is_uploaded_found_read_and_deleted(sdk: Sdk) -> None:
    content = rows_of(7)
    file = upload(sdk, content)
    assert (file.object, file.filename, file.purpose, file.status) == ("file", "train.jsonl", "fine-tune", "processed")
    assert (file.bytes, file.id[:5]) == (len(content), "file-")
    assert sdk(sdk.client.files.retrieve(file.id)) == file
    assert sdk(sdk.client.files.wait_for_processing(file.id)) == file
    assert sdk(sdk.client.files.content(file.id)).read() == content
    deleted = sdk(sdk.client.files.delete(file.id))
    assert (deleted.id, deleted.object, deleted.deleted) == (file.id, "file", True)
    with pytest.raises(openai.NotFoundError):
        sdk(sdk.client.files.retrieve(file.id))
    assert stored() == []


def test_files_are_listed_page_by_page_in_either_order_and_by_purpose(sdk: Sdk) -> None:
    ids = [upload(sdk, rows_of(count)).id for count in range(1, 6)]
    evals = upload(sdk, rows_of(9), purpose="evals").id
    assert [file.id for file in sdk.all(sdk.client.files.list(limit=2))] == [evals, *reversed(ids)]
    assert [file.id for file in sdk.all(sdk.client.files.list(order="asc", limit=4))] == [*ids, evals]
    assert [file.id for file in sdk.all(sdk.client.files.list(purpose="evals"))] == [evals]
    assert [file.id for file in sdk.all(sdk.client.files.list(after=ids[2]))] == [ids[1], ids[0]]
    assert sdk.all(sdk.client.files.list(purpose="batch_output")) == []


def test_what_is_no_data_set_is_a_bad_request_that_says_why(sdk: Sdk) -> None:
    with pytest.raises(
        openai.BadRequestError, match=r"purpose is 'assistants': it is one of fine-tune, evals"
    ) as error:
        upload(sdk, rows_of(1), purpose="assistants")
    assert (error.value.code, error.value.param, error.value.type) == (
        "invalid_request",
        "purpose",
        "invalid_request_error",
    )
    with pytest.raises(openai.BadRequestError, match=r"train\.jsonl") as error:
        upload(sdk, rows_of(1) + b'{"messages": 1}\n')
    assert error.value.code == "bad_data"
    assert error.value.response.headers["x-request-id"].startswith("req_")
    assert stored() == []


def test_the_same_file_is_seen_below_files_as_well(sdk: Sdk, client: httpx.Client) -> None:
    file = upload(sdk, rows_of(2))
    assert client.get(f"/files/{file.id}").json() == client.get(f"/v1/files/{file.id}").json()
