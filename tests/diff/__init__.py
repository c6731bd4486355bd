"""Tests of comparing two mailboxes."""
