"""Fork server: imported first by the server that workers are forked from, in a host.

It ends with the host. By itself it would live on for as long as one of its workers does,
and that one may hold the interpreter's lock.
"""

from pixelmill.engines.processes import ask_to_die_with_parent

ask_to_die_with_parent()
