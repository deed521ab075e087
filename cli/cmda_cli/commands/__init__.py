"""One module per group of commands; each command parses, calls the core and prints."""
