"""The numbers that poptalk ends with: the same for every command, and one list of what they mean.

It imports nothing, since a piped session loads it too.
"""

EXIT_OK = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_CANNOT_CONNECT = 3
EXIT_TLS = 4
EXIT_CONNECTION_LOST = 5
EXIT_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

MEANINGS = {
    EXIT_OK: "all well",
    EXIT_NO: "the answer is no (-ERR in a piped session, a difference, a failed check)",
    EXIT_USAGE: "the command line is wrong",
    EXIT_CANNOT_CONNECT: "cannot connect (name, refused, time-out)",
    EXIT_TLS: "TLS or certificate",
    EXIT_CONNECTION_LOST: "connection lost in mid-session",
    EXIT_INTERRUPTED: "interrupted with Ctrl-C",
}
"""What each one means, in a few words, in the order of `--help`."""
