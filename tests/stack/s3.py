"""versitygw: an S3 server over a local folder that checks signatures and honours `If-None-Match`."""

from __future__ import annotations

from typing import Any

import httpx

from tests.stack.install import versitygw
from tests.stack.process import Command, Component

ACCESS_KEY = "headrace"
SECRET_KEY = "headrace-secret"
REGION = "us-east-1"


class S3(Component):
    """One S3 server process."""

    name = "s3"

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://{self.address}"

    def command(self) -> Command:
        # Absolute paths: relative ones are taken from somewhere else. Without a versioning folder,
        # GetBucketVersioning fails, and with it mkdir and rm of s3fs.
        data, versions = self.folder / "data", self.folder / "versions"
        data.mkdir(exist_ok=True)
        versions.mkdir(exist_ok=True)
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        run = [
            str(versitygw()),
            "--port",
            self.address,
            "posix",
            "--versioning-dir",
            str(versions),
            str(data),
        ]
        return Command(run, keys)

    def answers(self) -> bool:
        # An unsigned request is refused, which only the S3 server itself can do.
        try:
            return httpx.get(self.url, timeout=2).status_code == httpx.codes.FORBIDDEN
        except httpx.HTTPError:
            return False


def client(endpoint: str) -> Any:
    """A botocore S3 client for `endpoint`."""
    import botocore.session
    from botocore.config import Config

    return botocore.session.get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
    )


def create_bucket(endpoint: str, bucket: str) -> None:
    """Make a bucket (s3fs's mkdir makes none on this server)."""
    connected = client(endpoint)
    connected.create_bucket(Bucket=bucket)
    connected.close()


def storage_options(endpoint: str) -> dict[str, str]:
    """What delta-rs and Polars need to write there, conditional PUT included."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_ALLOW_HTTP": "true",
        "aws_conditional_put": "etag",
    }
