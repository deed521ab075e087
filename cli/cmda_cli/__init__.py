"""The command line of cmda."""
