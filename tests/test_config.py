import os
import pickle
import re
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.config import (
    CollectionSettings,
    ConfigurationError,
    Settings,
    load_settings,
    settings_for_source,
)
from gateway.config_description import describe_settings
from gateway.config_server import ServerSettings

CONFIG = Path(__file__).parent.parent / "config"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch, tmp_path):
    """Keep the settings of the one who runs the tests out of them."""
    for name in os.environ:
        if name.startswith(("IBE_GATEWAY_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def load(tmp_path):
    """Load the text of a file that is named gateway.toml."""

    def load(text):
        path = tmp_path / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path)

    return load


def refusals(call, *arguments):
    """Call what must be refused, and give the lines of the refusal."""
    with pytest.raises(ConfigurationError) as caught:
        call(*arguments)
    return str(caught.value).splitlines()


@dataclass(frozen=True)
class Refusal:
    """What is written, and what is said of it."""

    id: str
    text: str
    problems: list[str]
    environment: dict[str, str] = field(default_factory=dict)


PATH_RULE = (
    "must begin with /ibe/ and have segments of letters, digits and - . _ ~ only, "
    "none of them empty, '.' or '..'"
)

IN_FILE = [
    Refusal(
        "unknown key",
        "[server]\nport = 80\nworker = 2\n",
        ["gateway.toml, line 3: [server] worker: unknown key"],
    ),
    Refusal("unknown section", "\n[servr]\n", ["gateway.toml, line 2: servr: unknown key"]),
    Refusal(
        "wrong type",
        '[server]\nport = "8080"\n',
        ["gateway.toml, line 2: [server] port: Input should be a valid integer"],
    ),
    Refusal(
        "number for boolean",
        '[[collections]]\npath = "/ibe/data"\nurl = "s3://a"\ncors = 1\n',
        ["gateway.toml, line 4: [[collections]] cors: Input should be a valid boolean"],
    ),
    Refusal(
        "out of bounds",
        "[server]\nworkers = 0\n",
        ["gateway.toml, line 2: [server] workers: Input should be greater than or equal to 1"],
    ),
    Refusal(
        "not a number",
        "[limits]\nrequest_timeout_s = nan\n",
        ["gateway.toml, line 2: [limits] request_timeout_s: Input should be a finite number"],
    ),
    Refusal(
        "no such choice",
        '[[collections]]\npath = "/ibe/data"\nurl = "s3://a"\n\ngzip = true # not "on"\n',
        ["gateway.toml, line 5: [[collections]] gzip: Input should be 'on', 'off' or 'never'"],
    ),
    Refusal(
        "header that is none",
        '[[collections]]\npath = "/ibe/data"\nurl = "s3://a"\ncache_control = "a\\nb"\n',
        [
            (
                "gateway.toml, line 4: [[collections]] cache_control: "
                "String should match pattern '^[ -~]*$'"
            )
        ],
    ),
    Refusal(
        "required keys",
        "# a comment\n[[collections]]\n",
        [
            "gateway.toml, line 2: [[collections]] path: this key is required",
            "gateway.toml, line 2: [[collections]] url: this key is required",
        ],
    ),
    Refusal(
        "one path twice",
        '[[collections]]\npath = "/ibe/data"\nurl = "s3://a"\n'
        '[[collections]]\nurl = "s3://b"\npath = "/ibe/data/"\n',
        ["gateway.toml, line 6: [[collections]] path: another collection has this path"],
    ),
    Refusal(
        "section that is no table",
        "server = 3\n",
        ["gateway.toml, line 1: server: must be a table"],
    ),
    Refusal(
        "one pair of brackets",
        '[collections]\npath = "/ibe/data"\n',
        [
            (
                "gateway.toml, line 1: collections: "
                "must be an array of tables, each under [[collections]]"
            )
        ],
    ),
    Refusal(
        "secret that is not set",
        '[[collections]]\npath = "/ibe/data"\nurl = "s3://a"\n'
        '[collections.storage_options]\nanon = false\nsecret = "env:NO_SUCH"\n',
        [
            (
                "gateway.toml, line 6: [[collections]] storage_options.secret: "
                "the environment variable 'NO_SUCH' is not set"
            )
        ],
    ),
    Refusal(
        "several problems at once",
        '[server]\nworkers = "2"\n[limits]\nmax_hdus = 0\n',
        [
            "gateway.toml, line 2: [server] workers: Input should be a valid integer",
            "gateway.toml, line 4: [limits] max_hdus: Input should be greater than or equal to 1",
        ],
    ),
    Refusal(
        "no TOML",
        "[server]\nport 80\n",
        ["gateway.toml, line 2: Expected '=' after a key in a key/value pair"],
    ),
    Refusal(
        "one key twice", "a = 1\n\na = 2\n", ["gateway.toml, line 3: Cannot overwrite a value"]
    ),
    Refusal("TOML that does not end", "[server]\na = [1,", ["gateway.toml, line 2: Invalid value"]),
]

IN_ENVIRONMENT = [
    Refusal(
        "wrong type",
        "[server]\nport = 80\n",
        ["environment, IBE_GATEWAY_SERVER__PORT: [server] port: Input should be a valid integer"],
        {"IBE_GATEWAY_SERVER__PORT": "eighty"},
    ),
    Refusal(
        "unknown key",
        "",
        ["environment, IBE_GATEWAY_SERVER__WORKER: [server] worker: unknown key"],
        {"IBE_GATEWAY_SERVER__WORKER": "2"},
    ),
    Refusal(
        "unknown section",
        "",
        ["environment, IBE_GATEWAY_SERVR__PORT: unknown section"],
        {"IBE_GATEWAY_SERVR__PORT": "80"},
    ),
    Refusal(
        "unknown key of the file beside a variable",
        "[server]\nworker = 2\n",
        ["gateway.toml, line 2: [server] worker: unknown key"],
        {"IBE_GATEWAY_SERVER__PORT": "80"},
    ),
    Refusal(
        "section that is no table",
        "",
        ["environment, IBE_GATEWAY_SERVER: server: must be a table"],
        {"IBE_GATEWAY_SERVER": "80"},
    ),
    Refusal(
        "value inside JSON",
        '[[collections]]\npath = "/ibe/data"\nurl = "s3://a"\n',
        [f"environment, IBE_GATEWAY_COLLECTIONS: [[collections]] path: {PATH_RULE}"],
        {"IBE_GATEWAY_COLLECTIONS": '[{"path": "/data", "url": "s3://b"}]'},
    ),
    Refusal(
        "no JSON, and a file that is no TOML",
        "port",
        [
            "environment, IBE_GATEWAY_COLLECTIONS: must be valid JSON",
            "gateway.toml, line 1: Expected '=' after a key in a key/value pair",
        ],
        {"IBE_GATEWAY_COLLECTIONS": "[{"},
    ),
]


@pytest.mark.parametrize("case", IN_FILE, ids=lambda case: case.id)
def test_refusal_names_the_line(case, load):
    """What is wrong in the file is told by the line that it stands on."""
    assert refusals(load, case.text) == case.problems


@pytest.mark.parametrize("case", IN_ENVIRONMENT, ids=lambda case: case.id)
def test_refusal_names_the_variable(case, load, monkeypatch):
    """What is wrong in the environment is told by the variable, what is in the file by its line."""
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)

    assert refusals(load, case.text) == case.problems


def test_refusal_of_the_command_line():
    """What is wrong on the command line is told as such."""
    assert refusals(load_settings, None, {"server": {"port": 70000}}) == [
        "command line: [server] port: Input should be less than or equal to 65535"
    ]


def test_file_that_cannot_be_read(tmp_path):
    """A file that is missing or not text is refused by its name, without its folder."""
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")

    assert refusals(load_settings, tmp_path / "no.toml") == ["no.toml: No such file or directory"]
    assert refusals(load_settings, tmp_path / "latin.toml") == ["latin.toml: must be text in UTF-8"]


def test_defaults():
    """Without a file, a laptop gets a server of its own and no collection."""
    settings = load_settings()

    assert settings == Settings()
    assert (settings.server.host, settings.server.port, settings.server.workers) == (
        "127.0.0.1",
        8080,
        1,
    )
    assert settings.collections == ()


def test_defaults_of_a_collection():
    """A collection is gzipped, exact, open to other origins and closed to links that leave it."""
    collection = CollectionSettings(path="/ibe/data", url="s3://a")

    assert (collection.gzip, collection.box) == ("on", "exact")
    assert (collection.cors, collection.follow_symlinks) == (True, False)


def test_environment_wins_over_the_file(load, monkeypatch):
    """A variable replaces one key; the other keys of its section stay."""
    monkeypatch.setenv("IBE_GATEWAY_SERVER__PORT", "9000")
    monkeypatch.setenv("IBE_GATEWAY_SERVER__NO_OVERLAP_STATUS", "404")
    monkeypatch.setenv("IBE_GATEWAY_LIMITS__REQUEST_TIMEOUT_S", "2.5")

    settings = load("[server]\nport = 80\nworkers = 3\n")

    assert settings.server == ServerSettings(port=9000, workers=3, no_overlap_status=404)
    assert settings.limits.request_timeout_s == 2.5


def test_collections_from_the_environment(load, monkeypatch):
    """Collections are one variable of JSON, which replaces those of the file."""
    monkeypatch.setenv("IBE_GATEWAY_COLLECTIONS", '[{"path": "/ibe/b", "url": "s3://b"}]')

    settings = load('[[collections]]\npath = "/ibe/a"\nurl = "s3://a"\n')

    assert [collection.path for collection in settings.collections] == ["/ibe/b"]


def test_command_line_wins_over_the_environment(monkeypatch):
    """What the command line says replaces a variable."""
    monkeypatch.setenv("IBE_GATEWAY_SERVER__PORT", "9000")

    assert load_settings(None, {"server": {"port": 0}}).server.port == 0


def test_variables_of_others_are_let_pass(monkeypatch):
    """The variables that Kubernetes sets for a service of our name do not stop the start."""
    monkeypatch.setenv("IBE_GATEWAY_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("IBE_GATEWAY_PORT", "tcp://10.0.0.1:80")

    assert load_settings() == Settings()


def test_secret_comes_from_the_environment(load, monkeypatch):
    """A value "env:NAME" is replaced by the variable, in nested tables too."""
    monkeypatch.setenv("S3_SECRET", "hunter2")

    settings = load(
        '[[collections]]\npath = "/ibe/a"\nurl = "s3://a"\n'
        'storage_options = { anon = false, secret = "env:S3_SECRET", '
        'headers = { Authorization = "env:S3_SECRET" } }\n'
    )

    assert settings.collections[0].storage_options == {
        "anon": False,
        "secret": "hunter2",
        "headers": {"Authorization": "hunter2"},
    }
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


def test_refusal_keeps_secrets(load, monkeypatch):
    """No value of a refused collection is in the error, not even in what it was raised from."""
    monkeypatch.setenv("S3_SECRET", "hunter2")
    text = (
        '[[collections]]\npath = "hunter2"\nurl = "s3://a"\ngzip = "hunter2"\n'
        'storage_options = { secret = "env:S3_SECRET", key = "hunter2" }\nunknown = "hunter2"\n'
    )

    with pytest.raises(ConfigurationError) as caught:
        load(text)

    assert len(str(caught.value).splitlines()) == 3
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("path", ["/ibe/data", "/ibe/data/", "/ibe/a.b/~c_d-1"])
def test_path_of_a_collection(path):
    """A path is kept without its trailing slash."""
    assert CollectionSettings(path=path, url="s3://a").path == path.removesuffix("/")


@pytest.mark.parametrize(
    "path",
    [
        *["", "/", "/ibe", "/ibe/", "ibe/data", "/data", "/ibex/a", "/ibe//a", "/ibe/a//"],
        *["/ibe/.", "/ibe/./a", "/ibe/..", "/ibe/a/../b"],
        *["/ibe/a b", "/ibe/a%2Fb", "/ibe/a?b", "/ibe/é", "/ibe/a\n"],
    ],
)
def test_path_that_no_request_could_name(path):
    """A path outside /ibe/, or with segments that a URL changes, is refused."""
    with pytest.raises(ValueError, match="must begin with /ibe/"):
        CollectionSettings(path=path, url="s3://a")


def test_local_folder_is_made_absolute(monkeypatch, tmp_path):
    """A folder is meant from where the program was started and from home; a URL stays as it is."""
    monkeypatch.chdir(tmp_path)

    def url(text):
        return settings_for_source(text).collections[0].url

    assert url("images") == str(tmp_path / "images")
    assert url("~/images") == str(tmp_path / "images")
    assert url("s3://bucket/images") == "s3://bucket/images"


def test_settings_for_source(monkeypatch):
    """A folder or URL is served at /ibe/data, whatever collections the environment has."""
    monkeypatch.setenv("IBE_GATEWAY_COLLECTIONS", '[{"path": "/ibe/b", "url": "s3://b"}]')
    monkeypatch.setenv("IBE_GATEWAY_SERVER__WORKERS", "2")

    settings = settings_for_source("s3://a", {"server": {"port": 0}})

    assert settings.collections == (CollectionSettings(path="/ibe/data", url="s3://a"),)
    assert settings.server == ServerSettings(port=0, workers=2)


def test_cache_folder(monkeypatch, tmp_path, load):
    """The cache lies where the file says, else where the XDG specification says."""
    assert Settings().cache.dir == tmp_path / ".cache/ibe-gateway"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert Settings().cache.dir == tmp_path / ".cache/ibe-gateway"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert Settings().cache.dir == Path("/var/cache/ibe-gateway")
    assert load('[cache]\ndir = "~/spool"\n').cache.dir == tmp_path / "spool"


def test_settings_are_frozen_and_travel():
    """Settings cannot be changed, and reach another process as they are."""
    settings = settings_for_source("s3://a")

    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 (our own bytes)


@pytest.mark.parametrize("name", ["gateway.toml", "irsa.toml"])
def test_examples_load(name):
    """The files in config/ are accepted as they are."""
    assert load_settings(CONFIG / name).collections


def test_example_loads_with_its_comments_taken_off(load, monkeypatch):
    """The commented collection of the example is right, too."""
    monkeypatch.setenv("SURVEY_KEY", "key")
    monkeypatch.setenv("SURVEY_SECRET", "secret")
    text = (CONFIG / "gateway.toml").read_text(encoding="utf-8")

    _, _, commented = text.partition("# [[collections]]\n")
    settings = load("[[collections]]\n" + re.sub("^# ", "", commented, flags=re.MULTILINE))

    assert settings.collections[0].storage_options["secret"] == "secret"


def test_irsa_rules():
    """SPHEREx is exact and never gzipped; all else follows IRSA's rule and is gzipped."""
    rules = {
        (collection.path == "/ibe/data/spherex", collection.gzip, collection.box)
        for collection in load_settings(CONFIG / "irsa.toml").collections
    }

    assert rules == {(True, "never", "exact"), (False, "on", "ibe")}


def test_every_setting_is_described():
    """Each key of each section has a row with its type, its default and a sentence."""
    rows = {row.name: row for row in describe_settings()}

    assert rows["server.port"].type == "integer"
    assert rows["server.port"].default == "8080"
    assert rows["collections.gzip"].type == '"on" | "off" | "never"'
    assert rows["collections.storage_options"].type == "table"
    assert rows["collections.url"].default == ""
    assert rows["cache.dir"].default == ""
    assert {name.partition(".")[0] for name in rows} == set(Settings.model_fields)
    assert all(row.description for row in rows.values())


def test_archives_are_told_apart_and_credentials_are_not():
    """The cache knows a storage by where it is, whoever asks and under whichever path."""

    def place(url: str, path: str = "/ibe/a", **options: object) -> str:
        return CollectionSettings(path=path, url=url, storage_options=options).place

    assert place("s3://b") == place("s3://b/", "/ibe/b", secret="1") == place("s3://b", token="2")
    assert place("s3://b") != place("s3://c")
    assert place("s3://b") != place("s3://b", endpoint_url="http://127.0.0.1:9000")
    assert "b" * 8 not in place("https://user:bbbbbbbb@host/")
