"""Image classification: photos in, a tested classifier out."""
