"""What lines of the stack are kept and sent elsewhere."""
