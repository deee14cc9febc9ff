"""Codecs whose encoder and decoder are programs outside the suite, described by a codec's YAML file."""
