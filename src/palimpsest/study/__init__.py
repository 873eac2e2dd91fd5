"""A user study: what raters are shown in which order, their votes as files, the server that gathers them, the tally.

Knows pictures and names alone; who reads runs and papers builds a study in `reporting.studies`.
"""
