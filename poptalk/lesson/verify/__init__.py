"""The proof that a lesson works: what `poptalk lessons check` does.

`check` looks at the document and runs everything else; `dry_run` is a lesson without a screen, and a
learner who does what it asks for; `mutations` tries what learners may try: nothing, other lines, what
is also accepted, each mistake.  A check is a function from a lesson to its findings; one that breaks
down is a finding itself.
"""
