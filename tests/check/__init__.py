"""Tests of `poptalk.check`."""
