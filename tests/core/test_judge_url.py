"""A job may name a judge on the open internet; what lies within the network is the operator's to allow."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from core.errors import InvalidRequest
from core.judge_url import NotPublic, endpoint_of, is_public, public_addresses
from core.settings import Settings
from core.spec import DatasetSpec, EvaluationSpec, JudgeSpec

OURS = "https://judge.example/v1"


def settings(**changes: Any) -> Settings:
    return Settings().model_copy(update=changes)


def judge(base_url: str | None) -> JudgeSpec:
    return JudgeSpec(base_url=base_url, model="m")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
    ],
)
def test_addresses_within_the_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0", "2130706433", "0x7f.1", "::1"])
async def test_no_way_of_writing_loopback_is_let_through(host: str) -> None:
    with pytest.raises(NotPublic, match="TUNESMITH_JUDGE_PRIVATE") as refused:
        await public_addresses(host, 80)
    assert refused.value.param == "evaluation.judge.base_url"


async def test_a_host_without_an_address_is_refused_with_its_name() -> None:
    with pytest.raises(NotPublic, match=r"'no-such-host\.invalid' has no address"):
        await public_addresses("no-such-host.invalid", 443)


async def test_a_public_address_stands_for_itself() -> None:
    assert await public_addresses("8.8.8.8", 443) == ["8.8.8.8"]


def test_the_operators_key_goes_to_the_operators_url_only() -> None:
    ours = settings(judge_url=f"{OURS}/", judge_api_key=SecretStr("secret"))
    for named in (None, OURS, f"{OURS}/"):
        endpoint = endpoint_of(judge(named), ours)
        assert (endpoint.base_url, endpoint.api_key, endpoint.must_be_public) == (OURS, "secret", False)
    for other in ("https://judge.example.evil.example/v1", "http://judge.example/v1", f"{OURS}/more"):
        endpoint = endpoint_of(judge(other), ours)
        assert (endpoint.base_url, endpoint.api_key, endpoint.must_be_public) == (other, None, True)


def test_a_setting_allows_private_addresses_and_still_keeps_the_key() -> None:
    endpoint = endpoint_of(judge("http://10.0.0.7/v1"), settings(judge_private=True, judge_api_key=SecretStr("secret")))
    assert (endpoint.api_key, endpoint.must_be_public) == (None, False)


def test_without_any_url_the_message_says_what_to_set() -> None:
    with pytest.raises(InvalidRequest, match="set TUNESMITH_JUDGE_URL"):
        endpoint_of(judge(None), settings(judge_url=None))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://judge.example/v1", "is no http"),
        ("judge.example/v1", "is no http"),
        ("http:///v1", "is no http"),
        ("http://[::1/v1", "is no http"),
        ("http://judge.example:0/v1", "is no http"),
        ("http://judge.example:port/v1", "is no http"),
        ("https://me:secret@judge.example/v1", "TUNESMITH_JUDGE_API_KEY"),
        ("https://judge.example/v1?key=secret", "TUNESMITH_JUDGE_API_KEY"),
    ],
)
def test_a_spec_holds_a_plain_url(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        judge(url)


def test_a_judge_needs_chat_rows() -> None:
    with pytest.raises(ValidationError, match="give `chat` too"):
        EvaluationSpec(judge=judge(OURS))
    assert EvaluationSpec(judge=judge(OURS), chat=DatasetSpec(source="rows.jsonl")).judge
