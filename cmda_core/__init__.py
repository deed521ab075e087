"""Typed core of cmda."""
