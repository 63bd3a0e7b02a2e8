"""wenwen-batch: a file of prompts in, every line answered exactly once, out."""

__version__ = "0.1.0"
