"""For authors of lessons: `poptalk lessons list`, `new`, `record` and `watch`."""
