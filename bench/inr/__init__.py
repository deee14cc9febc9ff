"""Implicit neural representations: networks, weight coding, fitting, import and studies."""
