"""The network: connections, TLS, and how they end.

There are two drivers over the same parts.  `link.Link` blocks and serves pipes, where the whole
process must cost no more than a poplib script; `connection.Connection` is asyncio's, for the live
shell.  Both dial through `dial`, both do TLS through `tls.TlsLayer`, which does no I/O itself, and
both say in the words of `errors` what went wrong and who ended the connection.

The modules are imported one by one where they are needed: `tls` loads ssl, `connection` loads
asyncio, and a piped session in clear pays for neither.
"""
