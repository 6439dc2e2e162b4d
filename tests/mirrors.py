"""The same files behind storages of all kinds, and a gateway to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.running import Gateway, run_gateway
from tests.servers import S3Server, run_nginx

STORAGES = "disk", "s3", "http"
"""Names of the collections, below ``/ibe/data/``."""


@contextmanager
def run_mirrors(
    s3: S3Server, material: Path, bucket: str, files: dict[str, bytes], settings: str = ""
) -> Iterator[Gateway]:
    """Serve files from a disk, from S3 and from nginx.

    Parameters
    ----------
    s3 : S3Server
        Takes them.
    material : Path
        Has the configuration of nginx.
    bucket : str
        Of the S3 server; is made.
    files : dict of str to bytes
        Their contents, by their names.
    settings : str
        More of the configuration, as TOML.
    """
    s3.put(bucket, files)
    options = ", ".join(f'{name} = "{value}"' for name, value in s3.options.items())
    with TemporaryDirectory() as folder, run_nginx(material, files) as port:
        root = Path(folder, "archive")
        root.mkdir()
        for name, content in files.items():
            (root / name).write_bytes(content)
        config = Path(folder, "gateway.toml")
        config.write_text(f"""
            {settings}

            [[collections]]
            path = "/ibe/data/disk"
            url = "{root}"

            [[collections]]
            path = "/ibe/data/s3"
            url = "s3://{bucket}"
            storage_options = {{ {options} }}

            [[collections]]
            path = "/ibe/data/http"
            url = "http://127.0.0.1:{port}"
        """)
        with run_gateway("serve", "--config", config, "--port", "0") as gateway:
            yield gateway
