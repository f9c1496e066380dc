"""Hosting models: what is on the shelf, whether it is fit to run, and running it."""
