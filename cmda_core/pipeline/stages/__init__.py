"""What each stage of a run does."""
