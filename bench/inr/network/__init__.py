"""Networks: layers, losses and the representation interface."""
