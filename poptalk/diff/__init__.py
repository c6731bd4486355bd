"""`poptalk diff`: two servers' views of one mailbox, side by side, for migrations.

`diff` is the command, `fetch` reads from a server and changes nothing there, `compare` compares two
results without a socket.
"""
