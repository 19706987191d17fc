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
    long: Collection[str] = ()
    """Further ones that the program says, or that begin as another does."""
    flags: str = ""
    """Letters of options that say all by themselves: others may follow in the same word, `-HW`."""
    lists: tuple[str, ...] = ()
    """Letters of options that are a list: each `name=value` of it is an option, such as `-l place`."""

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
        """The options in a line, such as `--time` or `-q`; of a list each, such as `-l place`."""
        return {*self.values(line)}

    def values(self, line: str) -> dict[str, str]:
        """The options in a line as above, each with what is said of it."""
        try:
            words = shlex.split(line)
        except ValueError:  # the batch system has the last word
            words = line.split()
        found = {}
        for word, after in zip(words, [*words[1:], ""]):
            if word.startswith("--"):
                name, is_said, value = word.partition("=")
                found[self._whole(name)] = value if is_said else after
            elif word.startswith("-"):
                letters = word[1:].lstrip(self.flags)
                found |= {f"-{flag}": "" for flag in word[1:].removesuffix(letters)}
                value = letters[1:] or after
                if letters.startswith(self.lists):
                    listed = (one.partition("=") for one in value.split(","))
                    found |= {f"-{letters[0]} {name.strip()}": said for name, _, said in listed}
                elif letters:
                    found[f"-{letters[0]}"] = value
        return {self.same.get(name, name): value for name, value in found.items()}

    def _whole(self, name: str) -> str:
        """The option of which a long name is the beginning, as batch systems take it where there is one."""
        known = {*self.ours, *self.long, *self.same, *self.same.values()}
        begun = {self.same.get(one, one) for one in known if one.startswith(name)}
        return begun.pop() if name not in known and len(begun) == 1 else name
