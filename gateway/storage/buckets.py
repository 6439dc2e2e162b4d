"""Buckets: from a URL and its options, in fsspec's words, to a bucket of obstore's.

s3fs, gcsfs and adlfs each have words of their own. Those that matter to who reads are understood;
any other is refused, for an option that is silently ignored may be the one that was relied on.
What is not given is taken from the environment, by the names that the provider gives it.
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

Bucket = S3Store | GCSStore | AzureStore
Options = Mapping[str, Any]

# What each option is called by fsspec, and by obstore.
_S3 = {
    "anon": "skip_signature",
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "region": "region",
    "requester_pays": "request_payer",
}
_S3_CLIENT = {"endpoint_url": "endpoint", "region_name": "region"}
_GCS = {"endpoint_url": "base_url"}
_AZURE = {
    "anon": "skip_signature",
    "account_name": "account_name",
    "account_key": "account_key",
    "sas_token": "sas_key",
    "tenant_id": "tenant_id",
    "client_id": "client_id",
    "client_secret": "client_secret",
}
_AZURE_CONNECTION = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}
_FLAGS = {"skip_signature", "request_payer"}


def open_bucket(url: str, options: Options, timeout_s: float) -> Bucket:
    """Make the bucket that a URL names; it is not asked for anything yet.

    Parameters
    ----------
    url : str
        Of one of the `SCHEMES`.
    options : mapping of str to any
        In fsspec's words.
    timeout_s : float
        When a request is given up at the latest.

    Raises
    ------
    TypeError, ValueError
        An option is not understood, or one is missing.
    """
    parts = urlsplit(url)
    bucket, _, host = parts.netloc.partition("@")
    if not bucket:
        raise ValueError("it must name a bucket")
    if host:  # abfs://container@account.dfs.core.windows.net/path
        options = {"account_name": host.partition(".")[0], **options}
    make, translate = _PROVIDERS[parts.scheme]
    config = translate(options)
    try:
        return make(
            bucket,
            prefix=parts.path.strip("/") or None,
            config=config,
            client_options={
                # whether it is http is said by the endpoint, and that by who runs the gateway
                "allow_http": True,
                "default_headers": {"accept-encoding": "identity"},
                "timeout": timedelta(seconds=timeout_s),
            },
            retry_config={"max_retries": 0},  # see resilient.py
        )
    except BaseError as error:
        raise ValueError(str(error).partition("\n")[0]) from None


def _translate_s3(options: Options) -> dict[str, Any]:
    client = options.get("client_kwargs", {})
    rest = {name: value for name, value in options.items() if name != "client_kwargs"}
    return {**_rename(client, _S3_CLIENT, "client_kwargs."), **_rename(rest, _S3)}


def _translate_gcs(options: Options) -> dict[str, Any]:
    token = options.get("token")
    rest = {name: value for name, value in options.items() if name != "token"}
    found = _rename(rest, _GCS)
    match token:
        case None | "google_default" | "cloud":
            return found
        case "anon":
            return found | {"skip_signature": True}
        case dict():
            return found | {"service_account_key": json.dumps(token)}
        case str():
            return found | {"application_credentials": token}
        case _:
            known = "'anon', 'google_default', a file or a table"
            raise TypeError(f"storage_options: token must be {known}")


def _translate_azure(options: Options) -> dict[str, Any]:
    connection = options.get("connection_string", "")
    rest = {name: value for name, value in options.items() if name != "connection_string"}
    fields = dict(each.split("=", 1) for each in connection.split(";") if "=" in each)
    found = {ours: fields[name] for name, ours in _AZURE_CONNECTION.items() if name in fields}
    return found | _rename(rest, _AZURE)


def _rename(options: Options, names: Mapping[str, str], within: str = "") -> dict[str, Any]:
    """Give options their names in obstore."""
    for name, value in options.items():
        if name not in names:
            known = ", ".join(sorted(names))
            raise ValueError(f"storage_options: {within}{name} is not understood; known: {known}")
        is_flag = names[name] in _FLAGS
        if not isinstance(value, bool if is_flag else str):
            what = "true or false" if is_flag else "a string"
            raise TypeError(f"storage_options: {within}{name} must be {what}")
    return {names[name]: value for name, value in options.items()}


_PROVIDERS: Mapping[str, tuple[Callable[..., Bucket], Callable[[Options], dict[str, Any]]]] = {
    "s3": (S3Store, _translate_s3),
    "s3a": (S3Store, _translate_s3),
    "gs": (GCSStore, _translate_gcs),
    "gcs": (GCSStore, _translate_gcs),
    "az": (AzureStore, _translate_azure),
    "abfs": (AzureStore, _translate_azure),
    "abfss": (AzureStore, _translate_azure),
}
SCHEMES = frozenset(_PROVIDERS)
