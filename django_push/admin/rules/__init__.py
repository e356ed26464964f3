"""The readable form of a segment: conditions in rows, which are a ``where`` underneath.

``vocabulary`` has the fields and comparisons that people choose from, ``clauses`` turns one row
into JSON and back, ``rules`` does so for the whole form, ``posted`` reads it from a request and
``shown`` puts it on the page.
"""
