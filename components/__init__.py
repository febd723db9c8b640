"""The parts of a stack, one folder for each."""
