"""Fetch message 1 and throw it away: what the server, the loopback and Python's start take alone.

Arguments: HOST PORT [CA_FILE, for TLS].
"""

import socket
import sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
if len(sys.argv) > 3:
    import ssl

    context = ssl.create_default_context(cafile=sys.argv[3])
    connection = context.wrap_socket(connection, server_hostname=sys.argv[1])
connection.sendall(b"USER bob\r\nPASS jones\r\nRETR 1\r\nQUIT\r\n")
buffer = bytearray(262_144)
while connection.recv_into(buffer):
    pass
connection.close()
