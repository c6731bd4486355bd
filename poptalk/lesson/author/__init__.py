"""For authors and teachers: `poptalk lessons list`, `new`, `record`, `watch`, and pages of a lesson.

`command` carries out `poptalk lessons`, `record` makes a lesson of a session, `preview` shows one
whenever it is saved, and `handout` makes pages, work sheets and their keys for `poptalk export`.
"""
