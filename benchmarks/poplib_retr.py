"""A plain poplib script: fetch message 1 into standard output.  HOST PORT [CA_FILE, for TLS]."""

import poplib
import sys

if len(sys.argv) > 3:
    import ssl

    context = ssl.create_default_context(cafile=sys.argv[3])
    server: poplib.POP3 = poplib.POP3_SSL(sys.argv[1], int(sys.argv[2]), context=context)
else:
    server = poplib.POP3(sys.argv[1], int(sys.argv[2]))
server.user("bob")
server.pass_("jones")
lines = server.retr(1)[1]
sys.stdout.buffer.write(b"\r\n".join([*lines, b""]))
sys.stdout.flush()
server.quit()
