"""The promises, kind by kind: each function is a rule, its first line what is promised."""
