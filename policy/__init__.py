"""Rules for every resource that the program declares; docs/how-to/check-policies.md describes how they are used."""
