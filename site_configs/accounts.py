"""Which accounts Slurm lets a user charge, so that a misspelt one is told before anything is submitted."""

from __future__ import annotations

from pipeline.errors import InputError
from pipeline.machine.user import user_name
from site_configs.providers.scheduler import NoAnswerError, ask

ANSWER_S = 20


def check_account(account: str | None) -> None:
    """Raise InputError, which lists those there are, when this user cannot charge `account`.

    Where Slurm keeps no accounts, or does not answer, sbatch has the last word.
    """
    own = accounts()
    # NERSC's jobs on GPUs are charged to the account of this name with an ending of its own
    if account and own and not own & {account.lower(), f"{account.lower()}_g"}:
        raise InputError(f"site.account: {account!r} is not among yours; there are {', '.join(sorted(own))}")


def accounts() -> set[str]:
    """The accounts of this user, in small letters as Slurm keeps them; none where it does not tell."""
    user = f"user={user_name()}"
    command = ["sacctmgr", "--noheader", "--parsable2", "show", "associations", user, "format=account"]
    try:
        done = ask(command, ANSWER_S)
    except (OSError, NoAnswerError):
        return set()
    return set(done.stdout.lower().split()) if done.returncode == 0 else set()
