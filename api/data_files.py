"""The file that a source of rows names, as far as it can be found before a job exists."""

from collections.abc import Mapping
from pathlib import Path

from api.base_models import HUB_NAME
from core import files
from core.errors import BadData, InvalidRequest
from core.file_store import files_root, stored_path
from core.models import File
from core.pins import check_content, check_digest
from core.settings import get_settings
from core.spec import SourceSpec
from core.storage import confined


def path_of(data: SourceSpec, param: str, uploaded: Mapping[str, File]) -> Path | None:
    """Where the rows are; None for a data set of the hub.  A ServiceError says what is wrong with the name."""
    if data.file_id is not None:
        if data.file_id not in uploaded:
            raise files.missing([data.file_id], param)
        files.check_is_data(uploaded[data.file_id], param)
        if data.sha256 is not None:
            check_digest(uploaded[data.file_id].sha256, data.sha256, data.source, param)
        return stored_path(files_root(), data.file_id)
    if data.is_file:
        path = local_file(data.source, param)
        if data.sha256 is not None:
            check_content(path, data.sha256, data.source, param)
        return path
    if HUB_NAME.fullmatch(data.source):
        return None
    raise InvalidRequest(
        f"{param} is {data.source!r}: give a .jsonl, .json or .parquet file below DATA_ROOT (the first two also as "
        ".gz), the id of an uploaded file, or `owner/name` of the hub",
        param=param,
    )


def local_file(relative: str, param: str) -> Path:
    """The file below DATA_ROOT."""
    root = get_settings().data_root
    try:
        path = confined(root, relative, param)
        if path.is_file():
            return path
        problem = "is no regular file" if path.exists() else "does not exist"
    except (OSError, RuntimeError) as error:  # a name too long, a loop of links
        problem = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    raise BadData(f"{param}: {relative!r} {problem} below DATA_ROOT ({root}); put the file there", param=param)
