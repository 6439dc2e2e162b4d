"""Access: who may see what.

What one may not see is, for one who asks, not there: nothing else in the program tells the two
apart.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from hmac import compare_digest, new

from gateway.config_values import AccessRule


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, as far as that opens anything."""

    token_digest: str = ""
    """SHA-256 of a bearer token, in hexadecimal; empty without one."""
    has_ticket: bool = False
    """Whether the URL is signed, and so opens what it leads to."""

    def may_see(self, rules: Sequence[AccessRule], key: str) -> bool:
        """Tell whether something of a collection is open to this viewer.

        Parameters
        ----------
        rules : sequence of AccessRule
            The collection's; the first that covers the key decides.
        key : str
            Path in the collection, of a file or of a folder; empty for the collection itself.
        """
        for rule in rules:
            if _covers(rule, key):
                return self.has_ticket or _is_public(rule) or self._has_token(rule)
        return True

    def _has_token(self, rule: AccessRule) -> bool:
        # all of them are compared, so that the time tells nothing
        found = [compare_digest(self.token_digest, each) for each in rule.tokens]
        return any(found)


PUBLIC = Viewer()
"""Anybody."""
OPERATOR = Viewer(has_ticket=True)
"""The program itself, on behalf of who runs it."""


def hash_token(token: str) -> str:
    """Give what the configuration keeps of a token."""
    return sha256(token.encode(errors="surrogateescape")).hexdigest()


def sign(
    segments: Sequence[str], parameters: Mapping[str, str], expires: int, signing_key: str
) -> str:
    """Sign a URL, however it is encoded and in whatever order its parameters stand.

    Parameters
    ----------
    segments : sequence of str
        Of its path, decoded.
    parameters : mapping of str to str
        Of its query, decoded, without those of the signature.
    expires : int
        When it ends, in seconds since 1970 (UTC).
    signing_key : str
        Known to nobody else.
    """
    message = json.dumps([list(segments), sorted(parameters.items()), expires])
    return new(signing_key.encode(), message.encode(), sha256).hexdigest()


def _covers(rule: AccessRule, key: str) -> bool:
    return fnmatchcase(key, rule.paths) or fnmatchcase(f"{key}/", rule.paths)


def _is_public(rule: AccessRule) -> bool:
    return rule.public_from is not None and datetime.now(UTC) >= rule.public_from
