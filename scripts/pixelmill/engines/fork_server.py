"""Fork server: the first module that the server of a host process imports.

It makes the server end with the host. Otherwise the server would live as long as one of its
workers, which may hold its interpreter's lock for ever.
"""

from pixelmill.engines.processes import ask_to_die_with_parent

ask_to_die_with_parent()
