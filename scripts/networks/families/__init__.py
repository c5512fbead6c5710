"""All networks: importing a file registers its networks."""

from . import attention, classic, dense, detection, generative, mobile, recurrent, residual, series, tabular

__all__ = [
    "attention", "classic", "dense", "detection", "generative", "mobile", "recurrent", "residual", "series", "tabular",
]
