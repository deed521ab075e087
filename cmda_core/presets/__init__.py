"""Experiments that ship with cmda."""
