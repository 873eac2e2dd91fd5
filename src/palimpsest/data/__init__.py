"""Photographs, from their owners to packed shards and training crops."""
