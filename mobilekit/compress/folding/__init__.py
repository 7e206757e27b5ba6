"""How batch norm is found beside a layer, moved into its weights, and proved to be gone."""
