"""Bundles: streams of one codec with their records, to submit to others, who decode and score them again."""
