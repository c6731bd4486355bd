"""The network: where a server is, connections, TLS, and how they end.

There are two connections over the same parts.  That of `connection` blocks and serves pipes, where the
whole process must cost no more than a poplib script; that of `async_connection` is asyncio's, for the
live prompt, which must never freeze.  Both dial through `dial`, both do TLS through `tls.TlsLayer`,
which does no I/O itself, and both use the words of `errors` for what went wrong and who ended it.
`endpoint` holds the values: a target, a proxy, a destination; `saved` the servers that have a name.

The modules are imported one by one where they are needed: `tls` loads ssl, `async_connection` loads
asyncio, and a piped session in the clear pays for neither.
"""
