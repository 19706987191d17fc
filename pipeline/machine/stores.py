"""CloudFiles, by which buckets are read and written, as it is used here.

A bucket is asked with the credentials that are found, and without any where there are none, as a public one
may be. What is refused is not asked for again and again.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from functools import cache
from typing import Any

import boto3
import google.auth
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session
from cloudfiles import CloudFiles, interfaces
from cloudfiles.connectionpools import GCloudBucketPool, S3ConnectionPool
from cloudfiles.paths import extract
from cloudfiles.secrets import GOOGLE_CREDENTIALS_CACHE, PROJECT_NAME, aws_credentials, secretpath
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from tenacity import RetryCallState, retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline.machine.s3_host import by_alias

log = logging.getLogger(__name__)

EMULATOR = "STORAGE_EMULATOR_HOST"
"""With it in the environment Google's library asks another server, without credentials."""

NAMED = "GOOGLE_APPLICATION_CREDENTIALS"
"""The variable that names a file of credentials for Google's library."""

NOT_YET = (408, 425, 429)
"""Of what a server answers about a request (400 to 499), that which may pass."""

IN_VAIN = ("NoCredentialsError", "DefaultCredentialsError", "ParamValidationError", "RetryError")
"""Errors that stay: of credentials that are not there, of names that no bucket can have, of Google's library
when it has asked for two minutes."""


PATIENCE_S = (10, 60)
"""How long a server of S3 may take to be reached, and to go on with an answer: Amazon's library waits a
minute for either, and asks several times, each time that it is asked."""


MD5 = re.compile(r'"?[0-9a-f]{32}"?', re.IGNORECASE)
"""An ETag that may be the content's; of an object in parts there is a hyphen in it."""

UNKNOWN_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
"""What is in errors of servers whose certificate nobody vouches for."""


def cloud_files(address: str) -> CloudFiles:
    """The files below an address of a bucket or a web server."""
    return CloudFiles(by_alias(address), progress=False)


def is_anonymous(address: str) -> bool:
    """Whether a bucket is asked without credentials, because none were found."""
    at = extract(by_alias(address))
    if at.protocol == "gs":
        return not _has_google_file(at.bucket) and isinstance(of_google()[1], AnonymousCredentials)
    return (
        at.protocol == "s3" and not aws_credentials(at.bucket, at.alias or "s3") and not has_keys_of_amazon()
    )


def status_of(error: BaseException | None) -> int | None:
    """What a server has answered, where an error came of that: 403, 500."""
    while error is not None:
        told = getattr(error, "response", None)
        if isinstance(told, dict):  # Amazon's
            return told.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = getattr(told, "status_code", None) or getattr(error, "code", None)
        with suppress(TypeError, ValueError):
            return int(code)  # type: ignore[arg-type]
        error = error.__cause__ or error.__context__
    return None


def may_pass(error: BaseException) -> bool:
    """Whether it is worth while to ask once more."""
    code = status_of(error)
    if code is None:
        return type(error).__name__ not in IN_VAIN and UNKNOWN_CERTIFICATE not in str(error)
    return not 400 <= code < 500 or code in NOT_YET


@cache
def has_keys_of_amazon() -> bool:
    """Whether Amazon's library finds any: in the environment, below the home, or of a machine of theirs."""
    return boto3.Session().get_credentials() is not None


def of_google() -> tuple[str | None, Any]:
    """Project and credentials that Google's library finds; AnonymousCredentials where it finds none."""
    return (None, None) if os.environ.get(EMULATOR) else _found_by_google()


@cache
def _found_by_google() -> tuple[str | None, Any]:
    try:
        credentials, project = google.auth.default()
    except DefaultCredentialsError:
        if os.environ.get(NAMED):  # and cannot be used
            raise
        return None, AnonymousCredentials()
    return project, credentials


def _has_google_file(bucket: str) -> bool:
    return any(map(os.path.exists, map(secretpath, (f"{bucket}-google-secret.json", "google-secret.json"))))


class AmazonPool(S3ConnectionPool):
    """Connections that sign nothing where there are no keys: the library would look for them each time.

    What comes is held against an ETag only where that is known to be the content's MD5. And not every server
    says with a 404 what is not there: an object is not, if what the bucket gave last still is. Else nothing
    is, as behind a proxy that has lost its server.
    """

    _given: dict[str, str] | None = None
    """Bucket and key of the object that came last."""

    def _create_connection(
        self, secrets: Any = None, endpoint: str | None = None, no_sign_request: bool = False
    ) -> Any:
        is_open = not (secrets or self.credentials or has_keys_of_amazon())
        client = super()._create_connection(secrets, endpoint, no_sign_request or is_open)
        asked: dict[str, str] = {}

        def note(params: dict[str, Any], **_: Any) -> None:
            asked.update(Bucket=params["Bucket"], Key=params["Key"])

        def mend(parsed: dict[str, Any], **_: Any) -> None:
            _without_other_etags(parsed)
            if "Error" not in parsed:
                self._given = dict(asked)
            elif parsed["Error"].get("Code") == "404" and (self._given is None or _has(client, self._given)):
                parsed["Error"]["Code"] = "NoSuchKey"

        client.meta.events.register("before-parameter-build.s3.GetObject", note)
        client.meta.events.register("after-call.s3.GetObject", mend)
        return client


def _has(client: Any, known: dict[str, str]) -> bool:
    """Whether an object that was given before is there."""
    with suppress(ClientError):
        client.head_object(**known)
        return True
    return False


def _without_other_etags(parsed: dict[str, Any]) -> None:
    """Take from an answer an ETag that is no MD5, as which CloudFiles takes it.

    Of objects in parts it depends on how long these were, which that guesses, of those that a key of the
    owner's encrypts it is any number, and of some servers any text.
    """
    is_of_owner = (
        parsed.get("ServerSideEncryption", "").startswith("aws:kms") or "SSECustomerAlgorithm" in parsed
    )
    if is_of_owner or not MD5.fullmatch(parsed.get("ETag", "")):
        parsed.pop("ETag", None)


def google_pool(bucket: str, request_payer: str | None = None) -> GCloudBucketPool:
    """Connections for which credentials are looked for once, and without a word on the screen."""
    if not _has_google_file(bucket):
        project, credentials = of_google()
        GOOGLE_CREDENTIALS_CACHE[bucket] = (project or PROJECT_NAME, credentials)
    return GCloudBucketPool(bucket, request_payer)


interfaces.S3ConnectionPool, interfaces.GCloudBucketPool = AmazonPool, google_pool

session = get_session()
session.set_default_client_config(Config(connect_timeout=PATIENCE_S[0], read_timeout=PATIENCE_S[1]))
boto3.setup_default_session(botocore_session=session)


TOLD: set[type] = set()
"""Kinds of errors that this process has told of."""


def tell(state: RetryCallState) -> None:
    """Say why something is asked for again, of each kind of error once: a person may know better than to
    wait."""
    error = state.outcome and state.outcome.exception()
    if type(error) not in TOLD:
        TOLD.add(type(error))
        log.warning("a server is asked again, up to seven times: %s", " ".join(str(error).split()))


patiently = retry(
    reraise=True,
    stop=stop_after_attempt(7),
    wait=wait_random_exponential(0.5, 60.0),
    retry=retry_if_exception(may_pass),
    before_sleep=tell,
)
"""A function that asks once more, and again, as those of CloudFiles do."""

for asked in (
    *(interfaces.S3Interface.get_file, interfaces.S3Interface.head, interfaces.S3Interface.size),
    *(interfaces.GoogleCloudStorageInterface.get_file, interfaces.GoogleCloudStorageInterface.size),
    interfaces.HttpInterface.get_file,
):
    asked.retry.retry, asked.retry.before_sleep = retry_if_exception(may_pass), tell
interfaces.retry = patiently  # by which it makes the function that lists, each time anew
