"""The conformance report: what a server does, against the sentences of the RFCs.

`command` is `poptalk check`; `runner` decides what is asked and judges it; `report` says what came of
it.  A *probe* (`probes`) is a short dialogue on connections of its own (`connection`), and many checks
look at what one has brought.  A *check* (`model`) is a row with a clause, and a function that finds
problems.  They lie by subject in `framing`, `syntax`, `listings`, `retrieval`, `deletion`,
`capabilities`, `tls` and `auth`.
"""
