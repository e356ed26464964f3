"""One device looked at: what became of each push to it, and why another did not come.

Read from the ledger when somebody asks; sending knows nothing of it. The console's page of a
device and the API's ``installations/<id>/history/`` say the same, in the words of :mod:`.words`.
"""

from .absence import Absence, Why, why_absent
from .ledgers import LOOKED_AT, PAGE, Page, pushes_to, trace_of
from .standing import Standing, standing_of
from .trace import Outcome, Trace
from .words import Words, absence_words, standing_words, trace_words

__all__ = [
    "LOOKED_AT",
    "PAGE",
    "Absence",
    "Outcome",
    "Page",
    "Standing",
    "Trace",
    "Why",
    "Words",
    "absence_words",
    "pushes_to",
    "standing_of",
    "standing_words",
    "trace_of",
    "trace_words",
    "why_absent",
]
