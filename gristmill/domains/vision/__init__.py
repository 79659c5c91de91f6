"""Vision: photos in, a tested classifier out."""
