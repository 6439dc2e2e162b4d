"""Settings: what can be set, within which bounds, and by which default.

A value is taken from the command line, else from the environment, else from a TOML file. The
program starts only if everything in them is understood.
"""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.config_server import ServerSettings, TelemetrySettings
from gateway.config_sources import (
    Source,
    describe_problem,
    merge_sources,
    read_environment,
    read_file,
)
from gateway.config_values import AccessRule, Option, Table, default_cache_dir

_KIB, _MIB, _GIB = 2**10, 2**20, 2**30
_CREDENTIALS = ("key", "secret", "token", "password")  # they change, and the files do not
_COLLECTION_PATH = re.compile(r"/ibe(/(?!\.\.?(/|$))[\w.~-]+)+", re.ASCII)


class ConfigurationError(ValueError):
    """The settings cannot be used; the text has a line for each problem."""


class LimitSettings(Table):
    """``[limits]``: what one worker lets in, waits for and holds in memory."""

    max_connections: int = Field(default=10_000, ge=16, le=2**20)
    """Connections of a worker, and at most half of its open files; the longest silent give way."""
    max_requests: int = Field(default=512, ge=1, le=65536)
    """Requests that a worker admits at once; further ones are answered 503."""
    max_client_requests: int = Field(default=256, ge=1, le=65536)
    """How many of them may come from one address; further ones are answered 429."""
    max_large: int = Field(default=128, ge=1, le=65536)
    """Answers above inline_bytes that a worker makes at once; further ones wait for their turn."""
    max_large_bytes: int = Field(default=64 * _GIB, ge=1)
    """How much these may have in all, sent, unpacked or inflated; a larger one goes alone."""
    max_client_large: int = Field(default=32, ge=1, le=65536)
    """How many of them, waiting or not, may be for one address; further ones are answered 429."""
    max_client_large_bytes: int = Field(default=32 * _GIB, ge=1)
    """How much those of one address may have in all, in bytes; a larger one goes alone."""
    max_waiting: int = Field(default=256, ge=1, le=65536)
    """Large answers that may wait for their turn; further ones are answered 503."""
    max_wait_s: float = Field(default=30.0, gt=0, le=3600)
    """How long one may wait for its turn before it is answered 503, in seconds."""
    retry_after_s: int = Field(default=2, ge=1, le=3600)
    """What 503 and 429 say in Retry-After, in seconds."""
    request_timeout_s: float = Field(default=300.0, gt=0, le=86400)
    """How long a whole request may take, in seconds."""
    storage_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """How long one request to a storage may take, its repetitions included, in seconds."""
    storage_try_s: float = Field(default=10.0, gt=0, le=3600)
    """How long one try of it may take, in seconds."""
    storage_tries: int = Field(default=4, ge=1, le=16)
    """How often it is tried in all, if it fails in a way that may pass."""
    storage_failures: int = Field(default=16, ge=1, le=2**16)
    """After how many failures in a row a storage is left alone; requests are answered 503."""
    storage_rest_s: float = Field(default=5.0, gt=0, le=3600)
    """How long a failing storage is left alone, in seconds."""
    identity_age_s: float = Field(default=3.0, ge=0, le=86400)
    """How long a remote file is believed to be the version last seen, in seconds; 0 asks always."""
    remembered_files: int = Field(default=16384, ge=1, le=2**24)
    """Remote files of each collection whose versions a worker remembers; 16384 take about 8 MB."""
    storage_reads: int = Field(default=128, ge=1, le=4096)
    """Reads that run at once from each remote storage."""
    max_read_bytes: int = Field(default=2 * _MIB, ge=64 * _KIB, le=256 * _MIB)
    """Longest single read of a remote storage, in bytes; this many times storage_reads is the most
    memory that the reads of a storage take."""
    storage_ranges: int = Field(default=100, ge=1, le=200)
    """Ranges that a web server is asked for by one request, if it answers them well."""
    read_ahead_bytes: int = Field(default=8 * _MIB, ge=0, le=4 * _GIB)
    """How far an answer from a remote storage is read ahead of its client, in bytes."""
    header_read_bytes: int = Field(default=32 * _KIB, ge=2880, le=16 * _MIB)
    """How much is read at first where a header begins, in bytes; most headers are shorter."""
    guessed_bytes: int = Field(default=768 * _KIB, ge=0, le=64 * _MIB)
    """How much of a new remote file is read only because headers may be there, in bytes."""
    max_header_bytes: int = Field(default=16 * _MIB, ge=2880, le=_GIB)
    """Longest header of one HDU, in bytes."""
    max_layout_bytes: int = Field(default=64 * _MIB, ge=2880, le=4 * _GIB)
    """Longest sum of all headers of one file, in bytes."""
    max_hdus: int = Field(default=4096, ge=1, le=2**20)
    """Largest number of HDUs in one file."""
    max_ranges: int = Field(default=32, ge=1, le=1024)
    """Largest number of ranges in one Range header; more are answered with the whole file."""
    page_entries: int = Field(default=1000, ge=1, le=10_000)
    """Lines of a page of a folder's listing, and the largest limit of one."""
    max_listing_bytes: int = Field(default=64 * _MIB, ge=_KIB, le=_GIB)
    """Longest page of a web server that is read as the listing of a folder, in bytes."""
    chunk_bytes: int = Field(default=_MIB, ge=4 * _KIB, le=256 * _MIB)
    """How much is read, deflated and sent at a time, in bytes."""
    deflated_at_once: int = Field(default=4, ge=1, le=64)
    """Chunks of one large gzipped answer that are deflated at once, on as many cores."""
    inflated_at_once: int = Field(default=4, ge=1, le=64)
    """Parts of a large .gz parent that are inflated at once for one answer, on as many cores."""
    small_parents_at_once: int = Field(default=8, ge=1, le=1024)
    """Small .gz parents that a worker reads and inflates at once; further ones wait."""
    max_band_bytes: int = Field(default=256 * _MIB, ge=_MIB)
    """Largest row of tiles of a compressed image that is unpacked at once, in bytes."""
    inline_bytes: int = Field(default=512 * _KIB, ge=0, le=64 * _MIB)
    """Answers up to this size are made whole in one go, in bytes."""
    mapped_bytes: int = Field(default=4 * _GIB, ge=0)
    """How much of local files a worker keeps mapped, in bytes; it is the kernel's page cache."""
    open_files: int = Field(default=256, ge=1, le=2**16)
    """Local files that a worker keeps open in each collection."""
    pictures_at_once: int = Field(default=4, ge=1, le=256)
    """Pictures that a worker draws at once; further ones wait for their turn."""
    max_picture_px: int = Field(default=4 * _MIB, ge=2**16, le=2**28)
    """Largest picture, in pixels; what would be larger is drawn smaller."""
    max_sampled_bytes: int = Field(default=2 * _GIB, ge=_MIB)
    """How much of an image may be read, or unpacked, for one picture, in bytes."""
    sampled_at_once_bytes: int = Field(default=32 * _MIB, ge=_MIB, le=_GIB)
    """How much of an image is read, or unpacked, at a time for one picture, in bytes."""
    max_url_bytes: int = Field(default=8 * _KIB, ge=256, le=64 * _KIB)
    """Longest request line, in bytes."""
    max_field_bytes: int = Field(default=8 * _KIB, ge=256, le=64 * _KIB)
    """Longest header field of a request, in bytes; it may have 128 of them."""
    keepalive_timeout_s: float = Field(default=75.0, gt=0, le=3600)
    """How long a client may take to send a whole head, and be idle before it, in seconds."""
    client_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """How long a client may take in nothing of an answer before it is given up, in seconds."""
    max_inflated_bytes: int = Field(default=64 * _GIB, ge=2880)
    """How much a compressed parent may unpack to, in bytes: the end of a gzip bomb."""


class CacheSettings(Table):
    """``[cache]``: what may be lost without harm: layouts and seek indexes."""

    dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default_factory=default_cache_dir, strict=False
    )
    """Folder of the cache; by default ibe-gateway in $XDG_CACHE_HOME or in ~/.cache."""
    max_bytes: int = Field(default=_GIB, ge=0)
    """How large the folder may grow, in bytes."""
    memory_bytes: int = Field(default=64 * _MIB, ge=0)
    """How much of layouts and WCS objects a worker keeps in memory, in bytes."""
    unpacked_bytes: int = Field(default=256 * _MIB, ge=0)
    """How much of unpacked .gz parents and of seek indexes a worker keeps in memory, in bytes."""
    small_parent_bytes: int = Field(default=16 * _MIB, ge=0)
    """A .gz parent up to this size, unpacked, is kept in memory; of a larger one an index is."""


class CollectionSettings(Table):
    """``[[collections]]``: a URL prefix, the storage behind it, and its rules."""

    path: str
    """URL prefix, as in "/ibe/data/wise"."""
    url: str = Field(min_length=1)
    """Where the files are: a local folder or an fsspec URL (file://, s3://, gs://, https://, …)."""
    storage_options: dict[str, Option] = Field(default={}, repr=False)
    """The storage's options in fsspec's words; "env:NAME" stands for an environment variable."""
    title: str = ""
    """Name of the collection in listings."""
    access: tuple[AccessRule, ...] = Field(default=(), strict=False)
    """Rules for what is closed, until when and to whom; without one all is public."""
    gzip: Literal["on", "off", "never"] = "on"
    """Whether cutouts are gzipped if the request does not say; "never" holds if it does, too."""
    box: Literal["exact", "ibe"] = "exact"
    """The rule for the pixels: as many as asked for, or every one that the area touches (IRSA)."""
    follow_symlinks: bool = False
    """Whether a symbolic link may lead out of the folder."""
    cors: bool = True
    """Whether pages of other origins may read the answers."""
    cache_control: str = Field(default="public, max-age=3600", pattern=r"^[ -~]*$")
    """Cache-Control of successful answers; empty for none."""
    max_cutout_bytes: int = Field(default=8 * _GIB, ge=1)
    """Largest cutout, uncompressed, in bytes."""
    request_cost_s: float = Field(default=0.0005, ge=0, le=60)
    """What a request to a remote storage costs beside its latency, in seconds: the work at both
    ends. Raise it where requests are paid for: then more is read, by fewer requests."""

    @cached_property
    def place(self) -> str:
        """What the cache calls the storage: no two archives share it, all their users do."""
        options = {k: v for k, v in self.storage_options.items() if k not in _CREDENTIALS}
        text = json.dumps([self.url.rstrip("/"), options], sort_keys=True, default=str)
        return blake2b(text.encode(), digest_size=16).hexdigest()

    @field_validator("path")
    @classmethod
    def _normalise_path(cls, path: str) -> str:
        path = path.removesuffix("/")
        if not _COLLECTION_PATH.fullmatch(path):
            raise ValueError(
                "must begin with /ibe/ and have segments of letters, digits and - . _ ~ only, "
                "none of them empty, '.' or '..'"
            )
        return path

    @field_validator("url")
    @classmethod
    def _make_absolute(cls, url: str) -> str:
        # A worker may be started in another folder than the one that read the settings.
        return url if "://" in url else str(Path(url).expanduser().absolute())


class Settings(Table):
    """All settings."""

    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    cache: CacheSettings = Field(default_factory=CacheSettings)
    telemetry: TelemetrySettings = TelemetrySettings()
    collections: tuple[CollectionSettings, ...] = Field(default=(), strict=False)

    @property
    def is_partly_closed(self) -> bool:
        """Whether anything is not for everybody."""
        return any(collection.access for collection in self.collections)

    @field_validator("collections")
    @classmethod
    def _refuse_duplicates(
        cls, collections: tuple[CollectionSettings, ...]
    ) -> tuple[CollectionSettings, ...]:
        paths = [collection.path for collection in collections]
        error = PydanticCustomError("duplicate_path", "another collection has this path")
        # The place is given so that the report names the line of the second collection.
        duplicates = [
            InitErrorDetails(type=error, loc=(index, "path"), input=None)
            for index, path in enumerate(paths)
            if path in paths[:index]
        ]
        if duplicates:
            raise ValidationError.from_exception_data(cls.__name__, duplicates)
        return collections


def load_settings(
    path: Path | None = None, command_line: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings; nothing else in the program reads a setting from anywhere.

    Parameters
    ----------
    path : Path or None
        The TOML file, if there is one.
    command_line : mapping of str to any
        What the command line says: sections and keys as in the file.

    Raises
    ------
    ConfigurationError
        With a line for each problem, like ``gateway.toml, line 12: [server] workers: …``.
    """
    sources = [
        Source(command_line or {}, lambda _: "command line"),
        read_environment(Settings),
        *([read_file(path)] if path else []),
    ]
    problems = [problem for source in sources for problem in source.problems]
    if not problems:
        try:
            return Settings.model_validate(merge_sources(sources))
        except ValidationError as error:
            problems = [describe_problem(problem, sources) for problem in error.errors()]
    # Outside the handler, so that pydantic's report is not chained: it keeps the refused values.
    raise ConfigurationError("\n".join(problems))


def settings_for_source(source: str, command_line: Mapping[str, Any] | None = None) -> Settings:
    """Make the settings that serve one folder or URL at ``/ibe/data``.

    Raises
    ------
    ConfigurationError
        Something in the environment or on the command line cannot be used.
    """
    collections = [{"path": "/ibe/data", "url": source}]
    return load_settings(None, {**(command_line or {}), "collections": collections})
