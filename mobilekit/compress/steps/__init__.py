"""Steps, model → model: one file each, named like its `kind`."""
