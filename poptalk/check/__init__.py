"""A conformance report: what a server does, held against the sentences of the RFCs."""
