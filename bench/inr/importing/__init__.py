"""Import of weights from the methods' official code."""
