"""The parts of a stack, one file for each thing that a person would name."""
