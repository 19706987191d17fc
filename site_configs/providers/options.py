"""The options in the head of a job's script: the program's own, and those that a user adds."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import InputError


@dataclass(frozen=True)
class Options:
    """How a batch system is told them."""

    tag: str
    """Begins each line, such as #SBATCH."""
    ours: Collection[str]
    """None of a user's: by them a job is one job, and what it prints is found."""
    same: Mapping[str, str] = field(default_factory=dict)
    """Other names, and by which of its names an option is known here."""

    def head(self, lines: Sequence[str], defaults: Sequence[str], added: str) -> str:
        """The directives of a script: `lines` of ours, `defaults` unless the user says otherwise, and the
        user's own, which must be directives too.

        Raises InputError where the user says otherwise than one of our `lines`: the program counts on that.
        """
        users = [line for line in added.splitlines() if line not in {f"{self.tag} {ours}" for ours in lines}]
        said = {name: line for line in lines for name in self.names(line)}
        for line in users:
            if not line.startswith(f"{self.tag} "):
                raise InputError(f"scheduler_options: {line!r} is not a line that starts with {self.tag!r}")
            for name in sorted(self.names(line) & {*said, *self.ours}):
                told = f"says {said[name]!r}, by other settings" if name in said else "has its own"
                option = line.removeprefix(f"{self.tag} ")
                where = "site.scheduler_options, or job_options of the site's description"
                raise InputError(f"{where}: {option!r}: of {name} this program {told}")
        by_user = {name for line in users for name in self.names(line)}
        kept = [line for line in defaults if not by_user & self.names(line)]
        return "\n".join([*(f"{self.tag} {line}" for line in (*lines, *kept)), *users])

    def names(self, line: str) -> set[str]:
        """The options in a line, such as `--time` or `-q`; of PBS's resources each, such as `-l place`."""
        try:
            words = shlex.split(line)
        except ValueError:  # the batch system has the last word
            words = line.split()
        found = set()
        for word, after in zip(words, [*words[1:], ""]):
            if word.startswith("--"):
                found.add(word.partition("=")[0])
            elif word.startswith("-l"):
                found |= {f"-l {one.partition('=')[0].strip()}" for one in (word[2:] or after).split(",")}
            elif word.startswith("-"):
                found.add(word[:2])
        return {self.same.get(name, name) for name in found}
