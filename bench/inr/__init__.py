"""What every fitted network shares: layers, losses, the trainer, the weight coder."""
