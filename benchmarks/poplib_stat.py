"""A plain poplib script: log in, print STAT, leave.  Arguments: HOST PORT [CA_FILE, for TLS]."""

import poplib
import sys

if len(sys.argv) > 3:
    import ssl

    context = ssl.create_default_context(cafile=sys.argv[3])
    server: poplib.POP3 = poplib.POP3_SSL(sys.argv[1], int(sys.argv[2]), context=context)
else:
    server = poplib.POP3(sys.argv[1], int(sys.argv[2]))
print(server.getwelcome().decode(), flush=True)
server.user("bob")
server.pass_("jones")
print(*server.stat())
server.quit()
