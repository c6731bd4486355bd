"""A relay between a mail program and its server, which shows what both say."""
