"""Learned codecs by CompressAI: their networks and entropy coder, in streams of this suite.

This package has the name of the one it uses: ``import compressai`` is that one, here too.
"""
