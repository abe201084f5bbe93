"""segedu: image segmentation from scratch."""
