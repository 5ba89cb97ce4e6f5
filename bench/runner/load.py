"""pier-load against pier and nginx."""

from . import common


def measure(ctx):
    raise common.NotRun("pier-load is not built here")
