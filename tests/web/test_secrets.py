"""What no answer tells, whatever goes wrong."""

import pytest

from gateway.core.errors import GatewayError
from gateway.web.problems import STATUS
from tests.stores import FakeObject, FakeStore
from tests.web.conftest import Connect
from tests.web.small_archive import FILE, GZIPPED, IMAGE, PLAIN, ROOT, files, get_raw

SECRET = "/srv/private/a.fits of bucket-7 at db.internal"
REVEALING = ("srv", "private", "bucket", "internal", "memory://", "Traceback", ".py", "aiohttp")
ACCEPTS = ("*/*", "text/html", "application/json")
GUARDS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def make(kind: type[Exception]) -> Exception:
    """Make an error as it is raised: with a sentence of ours, and a cause that tells too much."""
    words: dict[str, tuple[object, ...]] = {
        "BadParameter": ("size", "it is wrong."),
        "StorageDown": ("Try again later.", 1.0),
    }
    ours = issubclass(kind, GatewayError)
    error = kind(*words.get(kind.__name__, ("It failed.",))) if ours else kind(SECRET)
    error.__cause__ = OSError(SECRET)
    return error


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("where", ["store", "file"])
async def test_no_error_tells_where_the_files_are(connect: Connect, where: str, accept: str):
    """Every class of errors, of ours and of others, from the storage and from a read."""
    for kind in (*STATUS, OSError, RuntimeError, ValueError, KeyError, UnicodeError):
        store, error = FakeStore(files()), make(kind)
        failing: FakeStore | FakeObject = store if where == "store" else store.objects["a.fits"]
        failing.failure = error
        client = await connect(store)
        for path in (IMAGE, PLAIN, GZIPPED, f"{IMAGE}?format=png", f"{ROOT}/", "/readyz"):
            response = await client.get(path, headers={"Accept": accept})
            told = await response.text(errors="replace") + str(response.headers)
            if response.status >= 400:
                assert [word for word in REVEALING if word in told] == [], (kind, path)
        await client.close()


BAD_REQUESTS = [
    f"{IMAGE}?x=1",
    f"{IMAGE}?center=1,1px&size=-1px",
    f"{IMAGE}?center=9999,1px&size=1px",
    f"{ROOT}/missing",
    f"{ROOT}/folder",
    f"{ROOT}/..%2f..%2fetc/passwd",
    f"{ROOT}/%ff",
    "/elsewhere",
]


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize(
    "path", [IMAGE, PLAIN, GZIPPED, "/", "/healthz", f"{ROOT}/", *BAD_REQUESTS]
)
async def test_every_answer_is_guarded(connect: Connect, path: str, accept: str):
    """No browser guesses a type, and no address is passed on to the next site."""
    client = await connect(files(), {"inline_bytes": 0 if path == PLAIN else len(FILE)})
    response = await get_raw(client, path, headers={"Accept": accept})
    told = str(response.headers) + (await response.text(errors="replace"))

    assert {name: response.headers[name] for name in GUARDS} == GUARDS
    assert ("text/html" in response.content_type) <= ("Content-Security-Policy" in response.headers)
    assert response.status < 400 or not any(word in told for word in ("/srv", "memory", "Trace"))
