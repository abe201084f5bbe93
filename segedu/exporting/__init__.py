"""Networks outside of this package: an ONNX file, torch's own file, a page for a browser."""

from segedu.exporting.files import export_onnx, export_torch, largest_difference
from segedu.exporting.page import export_page

__all__ = ["export_onnx", "export_page", "export_torch", "largest_difference"]
