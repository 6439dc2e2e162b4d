"""Who may see what."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.access import OPERATOR, PUBLIC, Viewer, hash_token, sign
from gateway.config import CollectionSettings
from gateway.config_values import AccessRule
from gateway.keys import make_token

TOKEN, DIGEST = make_token()
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
KEY = "k" * 32


@pytest.mark.parametrize(
    ("paths", "key", "is_closed"),
    [
        ("*", "", True),
        ("*", "a/b.fits", True),
        ("dr2/*", "dr2", True),  # the folder itself
        ("dr2/*", "dr2/deep/a.fits", True),
        ("dr2/*", "dr20/a.fits", False),
        ("dr2/*", "", False),
        ("*.raw.fits", "night/a.raw.fits", True),
        ("*.raw.fits", "night/a.fits", False),
    ],
)
def test_what_a_rule_covers(paths: str, key: str, *, is_closed: bool):
    """A pattern covers whole paths, and a folder is covered with all that is in it."""
    rules = [AccessRule(paths=paths, tokens=(DIGEST,))]

    assert PUBLIC.may_see(rules, key) is not is_closed
    assert Viewer(hash_token(TOKEN)).may_see(rules, key)
    assert OPERATOR.may_see(rules, key)


@pytest.mark.parametrize("digest", ["", "0" * 64, DIGEST.upper(), TOKEN])
def test_another_token_opens_nothing(digest: str):
    """Only the token itself opens; neither its hash does, nor no token at all."""
    assert not Viewer(digest).may_see([AccessRule(tokens=(DIGEST,))], "a")
    assert not Viewer(digest).may_see([AccessRule()], "a")


@pytest.mark.parametrize(("begins", "is_open"), [(NOW - HOUR, True), (NOW + HOUR, False)])
def test_a_proprietary_period_ends(begins: datetime, *, is_open: bool):
    """From its date on all is public."""
    assert PUBLIC.may_see([AccessRule(public_from=begins)], "a") is is_open


def test_the_first_rule_decides():
    """What an earlier rule opens a later one does not close."""
    rules = [AccessRule(paths="open/*", public_from=NOW - HOUR), AccessRule()]

    assert PUBLIC.may_see(rules, "open/a")
    assert not PUBLIC.may_see(rules, "a")


WORDS = st.text(alphabet=st.characters(codec="utf-8"), max_size=5)
QUESTIONS = st.tuples(
    st.lists(WORDS, max_size=3).map(tuple), st.dictionaries(WORDS, WORDS, max_size=3), st.integers()
)


@given(QUESTIONS, QUESTIONS)
def test_a_signature_is_of_one_question(one: tuple, other: tuple):
    """Two questions have one signature only if they are equal, in any order of parameters."""
    reordered = one[0], dict(reversed(one[1].items())), one[2]

    assert sign(*one, KEY) == sign(*reordered, KEY)
    assert (sign(*one, KEY) == sign(*other, KEY)) is (one == other)
    assert sign(*one, KEY) != sign(*one, KEY[1:])


@pytest.mark.parametrize(
    "rule",
    [{"tokens": (TOKEN,)}, {"public_from": datetime(2027, 1, 1)}, {"path": "*"}],  # noqa: DTZ001
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: dict[str, object]):
    """A token in clear, a date without a time zone, a misspelt key."""
    with pytest.raises(ValidationError) as error:
        CollectionSettings(path="/ibe/x", url="x", access=(rule,))

    assert TOKEN not in str(error.value)
