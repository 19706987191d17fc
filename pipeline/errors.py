"""The one kind of failure that its reader can mend."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file or key, the value found and what was expected;
    the command line prints it without a traceback and exits with a code other than 0.
    """
