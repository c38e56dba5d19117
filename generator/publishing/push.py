"""Uploads a release to the Hugging Face Hub; run again after an interruption, it sends what is not there yet."""

from __future__ import annotations

import os
from pathlib import Path

from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.proxies import proxy_fault
from clay_eval.schemas.release import RELEASE, SUMS, read_release
from clay_eval.schemas.secrets import known_secrets, of_key

_OURS = ("data/*", "provenance/*", "baselines/*", "licences/*")
TOKEN = "HF_TOKEN"  # noqa: S105  # the name of the variable


def require_ready() -> None:
    """Raise InputError unless the environment holds a token. (It is never taken from elsewhere, and never shown.)"""
    if not os.environ.get(TOKEN, "").strip():
        raise InputError(
            "there is no token to upload with",
            where=TOKEN,
            expected="a token with the right to write, in the environment",
            hint="make one at https://huggingface.co/settings/tokens, then: export HF_TOKEN=...",
        )


def push_release(folder: Path, repository: str, version: str) -> str:
    """Upload the release in `folder` to the data set `repository` and tag it v`version`; the address of the commit.

    What an earlier release had in its folders and this one lacks is removed there; other files are left alone. What was
    uploaded before is not sent again. Raises ClayEvalError, without the token in it, if the Hub refuses or is not there.
    """
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub_errors
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # The class of network faults depends on the HTTP client that this huggingface_hub uses.
    network: type[Exception] = getattr(hub_errors, "HTTPError", OSError)
    require_ready()
    names = [*(entry["path"] for entry in read_release(folder)["files"]), RELEASE, SUMS]
    api = HfApi(token=os.environ[TOKEN].strip())
    try:
        api.create_repo(repository, repo_type="dataset", exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=names,
            delete_patterns=list(_OURS),
            commit_message=f"Version {version}",
        )
        api.create_tag(repository, repo_type="dataset", tag=f"v{version}", revision=done.oid, exist_ok=True)
    except (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        OSError,
        ValueError,
        RuntimeError,
        ImportError,
        network,
    ) as error:
        if not isinstance(error, HfHubHTTPError) and (fault := proxy_fault()):
            raise fault from None
        raise ClayEvalError(
            "the upload did not end",
            where=repository,
            found=_without_token(str(error)),
            hint="the same command again sends what is missing",
        ) from None
    return str(done.commit_url)


def _without_token(text: str) -> str:
    text = known_secrets(*of_key(TOKEN, os.environ[TOKEN])).masked(text).strip()
    return text.splitlines()[0][:300] if text else "no reason given"
