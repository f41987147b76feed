"""Change of irrigated land: what became of places and zones over the years, with what was not seen."""

from bluepeace_gis.analyses.irrigation_change.accounts import Accounts, Sums, Zone, account
from bluepeace_gis.analyses.irrigation_change.histories import CLASSES, Histories, Rule, histories
from bluepeace_gis.analyses.irrigation_change.tiles import Answer, Question, answer

__all__ = [
    "CLASSES", "Accounts", "Answer", "Histories", "Question", "Rule", "Sums", "Zone", "account", "answer",
    "histories",
]  # fmt: skip
