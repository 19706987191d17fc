"""The kinds of failure that are told apart by what can be done about them."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file or key, the value found and what was expected;
    the command line prints it without a traceback and exits with a code other than 0.
    """


class Untrainable(InputError):  # noqa: N818 - says what the settings are
    """Settings by which nothing is trained, however often: they leave no place for an example, or what they
    lead to is not finite any more."""


class Superseded(RuntimeError):  # noqa: N818 - what the process is, not what it did wrong
    """A newer attempt owns the run folder: what this process made must not be published any more."""


class Unreadable(InputError):  # noqa: N818 - says what the file is
    """A file is there, or may be, and its bytes do not come: it may be whole, so it is left alone."""
