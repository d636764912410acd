"""Paths from users: `~` and variables expanded, and what may have been meant by a missing one."""

from __future__ import annotations

import os
import re

from pixelmill.core.errors import UserError
from pixelmill.core.suggestions import close

#: A variable at the beginning of a path, where people write `$HOME`.
_VARIABLE = re.compile(r"\$(\w+|\{\w+\})(?=[/\\]|$)")


def expanded(path: str) -> str:
    """Expand `~` or a variable at the beginning of a path, as a shell does.

    A shell leaves them as they are within quotes and in configs.

    Raises
    ------
    UserError
        If the variable is not set.

    Examples
    --------
    >>> import os
    >>> expanded("~/photos") == os.path.join(os.path.expanduser("~"), "photos")
    True
    >>> expanded("my $HOME photos")
    'my $HOME photos'
    """
    if os.path.lexists(path):  # a folder may have such a name
        return path
    match = _VARIABLE.match(path)
    if match is None:
        return os.path.expanduser(path)
    name = match[1].strip("{}")
    if name not in os.environ:
        raise UserError(
            f"'{path}': the variable '{name}' is not set; write the path itself, or "
            f"'{os.path.join('.', path)}' for a name that begins with '$'."
        )
    return os.environ[name] + path[match.end() :]


def lookalike(path: str) -> str:
    """Return a question about an existing path that is nearly the given one, or nothing."""
    folder, name = os.path.split(path.rstrip(os.sep))
    try:
        names = [entry.name for entry in os.scandir(folder or ".")]
    except OSError:
        return ""
    stems = {os.path.splitext(other)[0]: other for other in names if other != name}
    near = close(os.path.splitext(name)[0], stems)
    return f"; did you mean '{os.path.join(folder, stems[near])}'?" if near else ""
