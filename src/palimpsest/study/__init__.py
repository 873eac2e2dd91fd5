"""User studies: pages that show raters results in a balanced order, the votes on them, and what they amount to.

`design` orders pictures and results, `trials` says what a page shows and holds the key to it, `pages` builds the
papers' studies. `server` collects votes over HTTP, `votes` reads and merges vote files, `tally` counts votes, `polls`
reads a paper's study with its votes.
"""
