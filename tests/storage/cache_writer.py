"""A process that writes into a cache file until it is ended, and says what it wrote.

``python -m tests.storage.cache_writer FOLDER MAX_BYTES SEED COUNT [LARGEST_FILE_BYTES]``
"""

import asyncio
import random
import resource
import sys
from pathlib import Path

from gateway.storage.cache_file import CacheFile


def blob_of(name: str, identity: str) -> bytes:
    """Make the only right blob of a name and an identity."""
    rng = random.Random(f"{name} {identity}")  # noqa: S311 - not for secrets
    return rng.randbytes(rng.randrange(1, 30_000))


def names(seed: int, count: int) -> list[tuple[str, str]]:
    """Draw names and identities; different seeds share some of them."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    return [(f"file {rng.randrange(500)}", f"{rng.randrange(3)}") for _ in range(count)]


async def write(folder: Path, max_bytes: int, seed: int, count: int) -> None:
    """Put and get in turns; a wrong blob ends the process."""
    cache = CacheFile(folder, max_bytes)
    for name, identity in names(seed, count):
        await cache.put("test", name, identity, blob_of(name, identity))
        found = await cache.get("test", name, identity)
        assert found in {None, blob_of(name, identity)}
        sys.stdout.write(f"{name}\t{identity}\t{'kept' if found else 'lost'}\n")
        sys.stdout.flush()
    await cache.close()


if __name__ == "__main__":
    if len(sys.argv) > 5:
        limit = int(sys.argv[5])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    asyncio.run(write(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
