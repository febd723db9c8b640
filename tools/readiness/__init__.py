"""Steps that make a machine able to run the program.

Standard library only: they run before any package exists.
"""
