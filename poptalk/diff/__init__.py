"""`poptalk diff`: two servers' views of one mailbox, side by side, for migrations.

`diff` is the command, `fetch` asks a server and changes nothing there, `compare` compares what two of
them said, without a socket.
"""
