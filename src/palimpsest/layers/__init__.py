"""Networks, blocks and operations that two or more methods use."""
