"""One module for each family of compression: a :class:`Source` in, what was packed in it out."""
