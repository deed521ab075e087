"""Scores of segmentations and grades, and the tables that they are kept in."""
