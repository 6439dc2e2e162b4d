"""Whole files and large folders on S3: what the gateway adds to asking the storage itself.

SeaweedFS holds a large file and a folder of many; curl asks for them. What is measured and how to
read it is in bench/README.md.
"""

import argparse
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import obstore

from bench.servers import Server, run_server, watch_memory
from tests.servers import KEY, SECRET, S3Server, run_seaweedfs

_BUCKET = "public"
_MB, _GB = 1_000_000, 1_000_000_000
_WRITTEN = "%{http_code} %{time_starttransfer} %{time_total} %{size_download}"


@dataclass(frozen=True, slots=True)
class Download:
    """What curl saw."""

    first_byte_s: float
    total_s: float
    size: int


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size-mb", type=int, default=2000, help="of the file")
    parser.add_argument("--entries", type=int, default=100_000, help="of the folder")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory() as folder, run_seaweedfs() as storage:
        os.environ |= {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": storage.url,
            "AWS_REGION": "us-east-1",
            "IBE_GATEWAY_CACHE__DIR": folder,
        }
        _fill(storage, options.size_mb, options.entries)
        log = Path(folder, "log")
        with run_server("gateway", "serve", f"s3://{_BUCKET}", "--port", "0", log=log) as gateway:
            ask(f"{gateway.url}/ibe/data/large.fits", "--range", "0-9")
            with watch_memory(gateway) as watch:
                _measure_file(storage, gateway, options.rounds)
            print(f"Memory: {_in_mb(watch.before.anonymous)} before, ", end="")
            print(f"{_in_mb(watch.peak.anonymous)} at most.\n")
            with watch_memory(gateway) as watch:
                _measure_folder(gateway.url, options.entries, options.rounds)
            print(f"Memory: {_in_mb(watch.before.anonymous)} before, ", end="")
            print(f"{_in_mb(watch.peak.anonymous)} at most.")


def ask(url: str, *options: str) -> Download:
    """Download with curl, to nowhere."""
    command = ["curl", "--silent", "--output", "/dev/null", "--write-out", _WRITTEN, *options, url]
    written = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if written[0] not in {"200", "206"}:
        raise SystemExit(f"{url} was answered with {written[0]}.")
    return Download(float(written[1]), float(written[2]), int(written[3]))


def _fill(storage: S3Server, size_mb: int, n_entries: int) -> None:
    bucket = storage.bucket(_BUCKET)
    block = os.urandom(_MB)
    obstore.put(bucket, "large.fits", (block for _ in range(size_mb)))
    with ThreadPoolExecutor(16) as pool:
        names = (f"many/{n:07}-w1-int-1b.fits" for n in range(n_entries))
        for _ in pool.map(lambda name: obstore.put(bucket, name, b"SIMPLE"), names):
            pass


def _measure_file(storage: S3Server, gateway: Server, rounds: int) -> None:
    print("| round | storage, MB/s | gateway, MB/s | ratio | CPU of the gateway, s/GB |")
    print("| --- | --- | --- | --- | --- |")
    ratios = []
    for number in range(1, rounds + 1):
        direct = ask(f"{storage.url}/{_BUCKET}/large.fits")
        cpu_s = gateway.cpu_s()
        through = ask(f"{gateway.url}/ibe/data/large.fits")
        cpu_s = (gateway.cpu_s() - cpu_s) / (through.size / _GB)
        speeds = [each.size / _MB / each.total_s for each in (direct, through)]
        ratios.append(speeds[1] / speeds[0])
        print(f"| {number} | {speeds[0]:.0f} | {speeds[1]:.0f} | {ratios[-1]:.2f} | {cpu_s:.1f} |")
    print(f"\nThe median ratio is {median(ratios):.2f}.")


def _measure_folder(gateway_url: str, n_entries: int, rounds: int) -> None:
    print("| listing | first byte, ms | all, ms | MB |")
    print("| --- | --- | --- | --- |")
    folder, as_json = f"{gateway_url}/ibe/data/many/", ("--header", "Accept: application/json")
    for title, query, options in (
        ("first page", "", ()),
        ("a page in the middle", f"?after={n_entries // 2:07}", ()),
        ("first page, filtered", "?name=99*w1", ()),
        ("first page, newest first", "?sort=-modified", ()),
        ("JSON of all", "", as_json),
    ):
        answers = [ask(folder + query, *options) for _ in range(rounds)]
        first, total = (
            median(times) * 1000
            for times in zip(*((a.first_byte_s, a.total_s) for a in answers), strict=True)
        )
        print(f"| {title} | {first:.0f} | {total:.0f} | {answers[0].size / _MB:.2f} |")
    print()


def _in_mb(size: int) -> str:
    return f"{size / _MB:.0f} MB"


if __name__ == "__main__":
    main()
