"""A dialogue or a lesson as a document for others: HTML, SVG, asciinema cast, Markdown."""
