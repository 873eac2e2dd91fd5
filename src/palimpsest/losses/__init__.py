"""Loss terms that two or more methods use, one function for each."""
