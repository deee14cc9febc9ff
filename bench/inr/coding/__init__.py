"""Weight coding: quantisers, bit allocation, the entropy coder and the payload."""
