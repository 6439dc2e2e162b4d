"""The command line: serve, demo, cutout, index, check, token, sign."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gateway.config import ConfigurationError, Settings, load_settings, settings_for_source
from gateway.core.errors import GatewayError
from gateway.cutter import Cutter
from gateway.demo import EXAMPLES, URL_PREFIX, download_lines, make_archive
from gateway.export import export_cutout
from gateway.export_targets import ERRORS, export_targets
from gateway.indexing import index_folder
from gateway.keys import make_token, parse_duration, sign_url
from gateway.service import open_service
from gateway.storage.archive import open_archive
from gateway.targets import FORMATS, is_table, read_targets
from gateway.web.log_lines import set_form
from gateway.web.server import serve

_FAILED, _UNUSABLE, _INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give its exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    set_form("text")
    # it tells 17 lines of a SIP header whose CTYPE lacks the suffix, and reads it as it was meant
    logging.getLogger("astropy").setLevel(logging.WARNING)
    try:
        return int(options.run(options))
    except (ConfigurationError, GatewayError) as error:
        sys.stderr.write(f"ibe-gateway: {error}\n")
        return _UNUSABLE
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"ibe-gateway: {name}{error.strerror or error}\n")
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ibe-gateway", description="Cutouts of astronomical images by URL."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('ibe-gateway')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("serve", help="serve an archive, or a folder as it is")
    command.add_argument(
        "source", nargs="?", metavar="DIR_OR_URL", help="a folder or fsspec URL, at /ibe/data/"
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="a TOML file with settings")
    _add_server_options(command)
    command.set_defaults(run=_serve)

    command = commands.add_parser("demo", help="make a small archive and serve it")
    command.add_argument(
        "--folder",
        type=Path,
        default=Path("demo-archive"),
        help="where the archive is made (default: %(default)s)",
    )
    command.add_argument("--no-serve", action="store_true", help="only make it")
    _add_server_options(command)
    command.set_defaults(run=_demo)

    command = commands.add_parser(
        "cutout", help="cut without a server, once or for a table of targets"
    )
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a FITS file (a path, an fsspec URL, or its URL at a gateway), or a table with the "
        f"columns source, ra, dec and size ({' '.join(FORMATS)})",
    )
    command.add_argument("--center", help="x,y[unit], as in a URL; not for a table")
    command.add_argument(
        "--size", help="x[,y][unit], as in a URL; for a table, where it has no size"
    )
    command.add_argument("--hdu", help="NAME,3,…: the HDUs that are wanted, as in a URL")
    command.add_argument(
        "--box", choices=("exact", "ibe"), help="the pixel rule (default: exact; a gateway's own)"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="what to write; gzipped if it ends in .gz; - is standard output "
        "(default: cutout_ and the name of the source); for a table the folder (default: cutouts)",
    )
    command.add_argument(
        "--at-once",
        type=_count,
        metavar="N",
        default=8,
        help="for a table, how many cutouts are in the making at once (default: %(default)s)",
    )
    command.set_defaults(run=_cutout)

    command = commands.add_parser("index", help="learn files ahead of the first request for them")
    command.add_argument(
        "collection",
        nargs="?",
        default="/ibe",
        metavar="COLLECTION",
        help="URL path of a collection, or of a folder in one (default: all collections)",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="a TOML file with settings")
    command.add_argument(
        "--at-once",
        type=_count,
        metavar="N",
        default=16,
        help="how many files are read at once (default: %(default)s)",
    )
    command.set_defaults(run=_index)

    command = commands.add_parser("check", help="say whether each collection can be reached")
    command.add_argument("--config", type=Path, metavar="FILE", required=True)
    command.set_defaults(run=_check)

    command = commands.add_parser("token", help="make a token for what is closed, and its hash")
    command.set_defaults(run=_make_token)

    command = commands.add_parser("sign", help="sign a URL, so that it opens what it leads to")
    command.add_argument("url", metavar="URL", help="of a file, a cutout, a picture or a folder")
    command.add_argument(
        "--expires",
        type=parse_duration,
        metavar="TIME",
        default="1h",
        help="how long it holds, as in 90s, 30m, 1h or 7d (default: %(default)s)",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="a TOML file with settings")
    command.set_defaults(run=_sign)
    return parser.parse_args(_join_negatives(sys.argv[1:] if arguments is None else arguments))


def _join_negatives(arguments: Sequence[str]) -> list[str]:
    """Write ``--center -49,175px`` as ``--center=-49,175px``: argparse takes -49 for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in {"--center", "--size"}:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _count(text: str) -> int:
    """Read a number of things of which there must be one."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


def _add_server_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", help="address to listen on")
    command.add_argument("--port", type=int, help="TCP port; 0 picks a free one")
    command.add_argument("--workers", type=int, metavar="N", help="number of processes")


def _server_options(options: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in ("host", "port", "workers")}
    return {"server": {name: value for name, value in given.items() if value is not None}}


def _serve(options: argparse.Namespace) -> int:
    if options.source and options.config:
        raise ConfigurationError("Give a folder or URL, or --config FILE, not both.")
    serve(lambda: _read_settings(options), lambda url: _say(f"Listening on {url}"))
    return 0


def _read_settings(options: argparse.Namespace) -> Settings:
    if options.source:
        if "://" not in options.source and not Path(options.source).is_dir():
            raise ConfigurationError(f"There is no folder {options.source}.")
        settings = settings_for_source(options.source, _server_options(options))
    else:
        settings = load_settings(options.config, _server_options(options))
    if not settings.collections:
        raise ConfigurationError(
            "There is nothing to serve: give a folder or URL, or a --config FILE with a "
            "[[collections]] table."
        )
    open_archive(settings)  # a url that cannot be used is told here, not by every worker
    return settings


def _demo(options: argparse.Namespace) -> int:
    folder = options.folder.absolute()
    make_archive(folder, _say)
    if options.no_serve:
        return 0
    collections = [
        {"path": "/ibe/data", "url": str(folder), "title": "The demo archive"},
        {"path": "/ibe/data/spherex", "url": str(folder / "spherex"), "gzip": "never"},
    ]
    settings = load_settings(None, {**_server_options(options), "collections": collections})
    serve(lambda: settings, lambda url: _say(_invite(url)))
    return 0


def _invite(url: str) -> str:
    """Write what to try, once the server listens."""
    lines = [f"Listening on {url}", "", f"Look around: {url}{URL_PREFIX}", "", "Cutouts to try:"]
    for example in EXAMPLES:
        lines += [f"  {example.title}", f"    {url}{example.url_path_and_query}"]
    return "\n".join([*lines, "", "From the shell:", *(f"  {d}" for d in download_lines(url)), ""])


def _cutout(options: argparse.Namespace) -> int:
    if is_table(options.source):
        return _cut_targets(options)
    if options.center is None or options.size is None:
        raise ConfigurationError(
            f"Give --center and --size, or a table of targets ({' '.join(FORMATS)})."
        )
    cutter = Cutter(options.box, hdu=options.hdu)
    where = options.source, options.center, options.size
    asyncio.run(export_cutout(cutter, *where, output=options.output))
    return 0


def _cut_targets(options: argparse.Namespace) -> int:
    if options.center is not None:
        raise ConfigurationError("A table of targets has its own centres: leave out --center.")
    targets = read_targets(Path(options.source), options.size)
    folder = Path(options.output or "cutouts")
    cutter = Cutter(options.box, hdu=options.hdu)
    outcome = export_targets(targets, folder, cutter, at_once=options.at_once)
    failed = f", {len(outcome.failed)} failed: see {folder / ERRORS}" if outcome.failed else ""
    sys.stderr.write(
        f"{folder}: cutouts made: {outcome.n_made}, there before: {outcome.n_there}{failed}\n"
    )
    return _FAILED if outcome.failed else 0


def _index(options: argparse.Namespace) -> int:
    tally = index_folder(load_settings(options.config), options.collection, options.at_once)
    if tally.interrupted:
        _say(f"Interrupted; the same command goes on. {tally}")
        return _INTERRUPTED
    _say(str(tally))
    return _FAILED if tally.failed else 0


def _check(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    return asyncio.run(_check_collections(settings))


async def _check_collections(settings: Settings) -> int:
    failed = 0
    service = open_service(settings)
    try:
        for path, collection in service.archive.collections.items():
            try:
                await collection.store.probe()
                _say(f"{path}: ok")
            except GatewayError as error:
                cause = f" ({error.__cause__})" if error.__cause__ else ""
                _say(f"{path}: {error}{cause}")
                failed += 1
    finally:
        await service.close()
    return _FAILED if failed else 0


def _make_token(_: argparse.Namespace) -> int:
    token, digest = make_token()
    _say(f"token    {token}\nsha256   {digest}")
    return 0


def _sign(options: argparse.Namespace) -> int:
    _say(sign_url(options.url, options.expires, load_settings(options.config)))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
