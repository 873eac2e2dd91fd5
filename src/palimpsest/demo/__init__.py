"""A page on this machine: paint a hole into a picture, and see what the methods make of it."""
