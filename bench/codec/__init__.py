"""The codec contract: container, registry, encode, decode and provenance."""
