"""Suites: questions with the calls that are right answers, read from rows that hold them or from the leaderboard's."""

from core.suites.question import AcceptedCall, Leaderboard, Question
from core.suites.reading import ReadSuite, SuiteKind, read_suite

__all__ = ["AcceptedCall", "Leaderboard", "Question", "ReadSuite", "SuiteKind", "read_suite"]
