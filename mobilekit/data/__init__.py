"""What networks are fed with: photographs, noise, and later whole data sets."""
