"""A VM that starts: what is waited for, and what is said when it does not get so far."""

import asyncio
import json

import pytest

from components.reach import Answer, MachineError
from components.vm import wait_for
from tests.components.machines import answer, telling

DONE = json.dumps({"status": "done", "errors": []})
FAILED = json.dumps({"status": "error", "errors": ["('scripts_user', RuntimeError('Runparts: 1 failures'))", "no apt"]})


def wait(status: Answer, engine: Answer) -> list[str]:
    """Wait for a VM that answers so; what it was asked."""
    asked: list[str] = []

    def answers(script: str) -> Answer:
        asked.append(script)
        return status if script.startswith("cloud-init") else engine if script.startswith("docker") else answer()

    asyncio.run(wait_for(telling(answers)))
    return asked


@pytest.mark.parametrize("code", [0, 2], ids=["done", "done, with something to say"])
def test_vm_that_is_ready(code: int) -> None:
    asked = wait(answer(DONE, code=code), answer("26.1.5"))
    assert [script.split()[0] for script in asked] == ["true", "cloud-init", "docker"]
    assert "--wait" in asked[1]


@pytest.mark.parametrize(
    ("status", "engine", "says"),
    [
        (
            answer(FAILED, code=1),
            answer(),
            "cloud-init failed: ('scripts_user', RuntimeError('Runparts: 1 failures'));",
        ),
        (answer('{"errors": []}', code=1), answer(), "cloud-init failed: no reason given. See /var/log/cloud-init"),
        (answer("status: error", code=1), answer(), "cloud-init failed: status: error. See"),
        (answer("", code=127, errors="not found"), answer(), "cloud-init failed: no reason given"),
        (
            answer(DONE),
            answer(code=1, errors="Cannot connect to the Docker daemon"),
            "the Docker engine does not answer: Cannot connect to the Docker daemon. See `journalctl -u docker`",
        ),
    ],
    ids=["errors", "no error", "no JSON", "no cloud-init", "no engine"],
)
def test_vm_that_is_not(status: Answer, engine: Answer, says: str) -> None:
    with pytest.raises(MachineError) as refusal:
        wait(status, engine)
    assert says in str(refusal.value)
    assert "run again" in str(refusal.value)
