"""Values of settings that need more than a type."""

import os
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

_MIN_KEY_LENGTH = 32  # characters


def _resolve_secret(value: Any) -> Any:
    """Put the variable's value in the place of ``"env:NAME"``, in nested tables too."""
    if isinstance(value, dict):
        return {key: _resolve_secret(nested) for key, nested in value.items()}
    if not isinstance(value, str) or not value.startswith("env:"):
        return value
    name = value.removeprefix("env:")
    if name not in os.environ:
        raise ValueError(f"the environment variable {name!r} is not set")
    return os.environ[name]


def _check_network(value: str) -> str:
    ip_network(value)  # its error is a sentence
    return value


def _check_collector(value: str) -> str:
    if value and urlsplit(value).scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    if value and not _is_installed("opentelemetry.exporter.otlp.proto.http"):
        raise ValueError("needs OpenTelemetry: pip install 'ibe-gateway[otel]'")
    return value


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what it lies in is missing
        return False


def _check_signing_key(value: str) -> str:
    if len(value) < _MIN_KEY_LENGTH:
        raise ValueError(f"must have at least {_MIN_KEY_LENGTH} characters")
    return value


Option = Annotated[Any, AfterValidator(_resolve_secret)]
"""Of a storage; may stand for an environment variable."""
Secret = Annotated[str, AfterValidator(_resolve_secret)]
"""May stand for an environment variable."""
Collector = Annotated[str, AfterValidator(_check_collector)]
"""URL of a collector of OpenTelemetry; empty for none."""
Network = Annotated[str, AfterValidator(_check_network)]
"""An IP address, or a network of them."""
SigningKey = Annotated[str, AfterValidator(_resolve_secret), AfterValidator(_check_signing_key)]
"""What URLs are signed with; may stand for an environment variable."""
TokenDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a token, in hexadecimal."""


class Table(BaseModel):
    """A table of the configuration: only what is known, of the right types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class AccessRule(Table):
    """``[[collections.access]]``: something of a collection that is not for everybody."""

    paths: str = Field(default="*", min_length=1)
    """Which paths in the collection; ``*`` stands for any characters, slashes too."""
    public_from: AwareDatetime | None = Field(default=None, strict=False)
    """When it is open to all."""
    tokens: tuple[TokenDigest, ...] = Field(default=(), strict=False)
    """SHA-256 of the tokens that open it."""


def default_cache_dir() -> Path:
    """Give the folder of the cache where the settings name none."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification has a relative path ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "ibe-gateway"
