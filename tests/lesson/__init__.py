"""Tests of the lessons: documents, the tutor, progress and the proof."""
