"""The steps that make a machine able to run the program: `python3 -m bootstrap`.

Only the standard library is used, because these steps run before any package is installed.
"""
