"""Model → smaller model; knows no network."""
