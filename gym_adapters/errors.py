"""The one exception that means: the user can fix this."""


class UserError(Exception):
    """Bad input, told in one line.

    The message names the file, key or value at fault, what was expected and what to do. Command lines print
    it without a traceback and exit with status 2. It lives in the lowest package so that all three share it.
    """
