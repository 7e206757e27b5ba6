"""File → smaller file: one module per format; the float file is never touched."""
