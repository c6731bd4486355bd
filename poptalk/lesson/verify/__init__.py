"""The proof that a lesson works: what `poptalk lessons check` does.

`check` looks at the document and runs everything else; `dry_run` is a learner without a screen;
`mutations` tries what a learner may try: the answer, whatever else is accepted, each mistake, silence.
Each check is a function from a lesson to its findings, so that one that breaks down is itself a finding.
"""
