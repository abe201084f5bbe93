"""The architectures: one a file, readable from top to bottom."""

from segedu.models.small import SmallNet

__all__ = ["SmallNet"]
