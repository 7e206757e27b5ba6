"""Methods that act while a model trains: one file each, named like its `kind`."""
