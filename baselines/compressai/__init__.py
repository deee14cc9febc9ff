"""Learned codecs by CompressAI: their networks and entropy coder, in streams of this suite.

``import compressai`` imports CompressAI's package of the same name, in this package too.
"""
