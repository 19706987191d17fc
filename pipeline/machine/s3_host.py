"""Addresses of S3 on a host of its own, such as a laboratory's server."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"s3://(?P<host>(?P<scheme>https?)://(?P<name>[^/]+)/)(?P<rest>.*)")


def by_alias(address: str) -> str:
    """What CloudVolume and CloudFiles call `s3://https://HOST/BUCKET/...`; any other address as it is.

    CloudVolume knows such a host by an alias alone. Here that is `https_` and the host, with `_` for all but
    letters and digits, and it holds in this process; the file of the host's keys is named by it too.
    """
    found = ADDRESS.match(address)
    if found is None:
        return address
    from cloudfiles.paths import add_alias  # imports much

    alias = f"{found['scheme']}_{re.sub(r'[^A-Za-z0-9]', '_', found['name'])}"
    add_alias(alias, f"s3://{found['host']}")
    return f"{alias}://{found['rest']}"


def is_of_host(address: str) -> bool:
    """Whether it is such an address, which Neuroglancer cannot read."""
    return ADDRESS.match(address) is not None
