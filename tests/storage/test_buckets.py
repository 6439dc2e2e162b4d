"""Options of buckets: fsspec's words, translated; what is not understood is refused by name."""

from typing import Any

import pytest

from gateway.config import CollectionSettings, ConfigurationError, LimitSettings
from gateway.storage.archive import open_store
from gateway.storage.buckets import open_bucket

CONNECTION = "AccountName=dev;AccountKey=a2V5cw==;BlobEndpoint=http://127.0.0.1:10000/dev"


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("s3://b", {"anon": True}, {"skip_signature": "true"}),
        (
            "s3a://b/x",
            {"key": "k", "secret": "s", "token": "t", "region": "eu-west-2"},
            {
                "access_key_id": "k",
                "secret_access_key": "s",
                "session_token": "t",
                "region": "eu-west-2",
            },
        ),
        ("s3://b", {"endpoint_url": "http://h:1"}, {"endpoint": "http://h:1"}),
        (
            "s3://b",
            {"client_kwargs": {"endpoint_url": "http://h:1", "region_name": "r"}},
            {"endpoint": "http://h:1", "region": "r"},
        ),
        ("s3://b", {"requester_pays": True}, {"request_payer": "true"}),
        ("gs://b", {"token": "anon"}, {"skip_signature": "true"}),
        ("gcs://b", {"token": "google_default"}, {}),
        ("az://b", {"account_name": "a", "anon": True}, {"skip_signature": "true"}),
        ("abfs://b", {"account_name": "a", "account_key": "a2V5"}, {"account_key": "a2V5"}),
        ("abfs://b", {"account_name": "a", "sas_token": "sv=1&sig=2"}, {"sas_key": "sv=1&sig=2"}),
        ("abfss://b@acc.dfs.core.windows.net/x", {"anon": True}, {"account_name": "acc"}),
        (
            "az://b",
            {"connection_string": CONNECTION},
            {
                "account_name": "dev",
                "account_key": "a2V5cw==",
                "endpoint": "http://127.0.0.1:10000/dev",
            },
        ),
    ],
)
def test_options_are_understood_in_the_words_of_fsspec(
    url: str, options: dict[str, Any], expected: dict[str, str]
):
    """Each option reaches the bucket under the name that its provider's store gives it."""
    assert open_bucket(url, options, timeout_s=1).config.items() >= expected.items()


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        ("s3://b", {"anonymous": True}, "anonymous"),
        ("s3://b", {"client_kwargs": {"verify": False}}, "client_kwargs.verify"),
        ("s3://b", {"anon": "yes"}, "anon must be true or false"),
        ("s3://b", {"key": 12}, "key must be a string"),
        ("gs://b", {"key": "k"}, "key"),
        ("gs://b", {"token": 1}, "token"),
        ("az://b", {"account_name": "a", "key": "k"}, "key"),
        ("az://b", {}, "Account"),
        ("s3:///x", {}, "bucket"),
        ("/srv/x", {"anon": True}, "storage_options"),
    ],
)
def test_what_is_not_understood_is_refused_at_the_start(
    url: str, options: dict[str, Any], named: str
):
    """A misspelt option is named, before it could be silently without effect."""
    collection = CollectionSettings(path="/ibe/x", url=url, storage_options=options)

    with pytest.raises(ConfigurationError, match=named):
        open_store(collection, LimitSettings())
