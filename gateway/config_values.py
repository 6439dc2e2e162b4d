"""Values of settings that need more than a type."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator


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


Option = Annotated[Any, AfterValidator(_resolve_secret)]
"""Of a storage; may stand for an environment variable."""
Network = Annotated[str, AfterValidator(_check_network)]
"""An IP address, or a network of them."""


def default_cache_dir() -> Path:
    """Give the folder of the cache where the settings name none."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification has a relative path ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "ibe-gateway"
