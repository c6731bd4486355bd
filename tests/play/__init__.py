"""Tests of poptalk.play."""
