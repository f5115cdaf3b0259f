"""`tunesmith keys …` against a real api."""

import json

import pytest
from typer.testing import CliRunner

from cli.main import app

pytestmark = pytest.mark.usefixtures("commands_api")


def command(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments])
    assert result.exception is None, result.exception
    return result.stdout


def test_a_key_is_made_listed_and_revoked() -> None:
    made = json.loads(command("create", "ci", "--scope", "infer", "--project", "team-a", "--days", "30", "--json"))
    assert (made["project"], made["scopes"]) == ("team-a", ["infer"])
    assert made["expires_at"] - made["created_at"] == pytest.approx(30 * 86_400, abs=5)
    [listed] = json.loads(command("list", "--json"))
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert json.loads(command("revoke", made["id"], "--json"))["revoked_at"] is not None
    assert "revoked" in command("list")


def test_people_are_shown_the_secret_once() -> None:
    assert "No keys yet" in command("list")
    shown = command("create", "ops", "--scope", "admin", "--all-projects").splitlines()
    assert "opens admin of all projects" in shown[0]
    assert shown[1].startswith("ts-")
    assert shown[1] not in command("list")
    assert "(all)" in command("list")


def test_the_audit_log_tells_who_made_and_revoked_it() -> None:
    key_id = json.loads(command("create", "ci", "--requests-per-minute", "5", "--json"))["id"]
    command("revoke", key_id)
    result = CliRunner().invoke(app, ["audit", "--thing", key_id, "--json"])
    assert [entry["action"] for entry in json.loads(result.stdout)] == ["DELETE /keys/{key_id}", "POST /keys"]
    shown = CliRunner().invoke(app, ["audit"]).stdout
    assert key_id in shown
    assert "TUNESMITH_ADMIN_KEY" in shown
