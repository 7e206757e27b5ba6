"""How a network is trained: batches, losses, metrics, checkpoints, by Lightning."""
