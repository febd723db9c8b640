"""Rules for every resource that the program declares; docs/policy.md describes how they are used."""
