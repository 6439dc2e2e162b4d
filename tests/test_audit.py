"""What CI makes of the report about known weaknesses."""

import json
from runpy import run_path

import pytest

from tests.running import REPOSITORY

judge = run_path(str(REPOSITORY / ".ci/audit.py"))["judge"]

CLEAN = {"name": "numpy", "version": "2.2", "vulns": []}
SKIPPED = {"name": "ibe-gateway", "skip_reason": "it is not on PyPI"}
WEAK = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([CLEAN, SKIPPED], 0, "no known weakness in 1 packages; nothing is known of 1."),
        ([CLEAN, WEAK], 1, "a 1: PYSEC-1, mended in 1.1"),
    ],
)
def test_only_a_finding_fails(packages: list[dict[str, object]], status: int, said: str):
    """What is known decides; what nobody knows is counted."""
    text, found = judge(json.dumps({"dependencies": packages}))

    assert (found, said in text) == (status, True)


@pytest.mark.parametrize("report", ["", json.dumps({"dependencies": [SKIPPED]})])
def test_an_audit_that_could_not_ask_says_so(report: str):
    """Without the advisories there is no report, no failure, and no false comfort."""
    text, status = judge(report)

    assert status == 0
    assert "NOTHING was audited" in text
