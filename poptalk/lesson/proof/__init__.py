"""The proof that a lesson works: what `poptalk lessons check` does.

`page` and `parts` look at the document; `runs` has the tutor run it, headless, against the practice
server, and tries what a learner may try: the answer, all that is accepted as well, each mistake, nothing
at all.  Each check is a function from a `Subject` to what it finds, so that one that breaks down is
itself a finding.  What each number means stands in `poptalk.lesson.codes`.
"""
