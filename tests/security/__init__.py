"""What attackers are known to do to mail programs, and poptalk's answers."""
