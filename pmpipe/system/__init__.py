"""What this host is, and how the program behaves on it: processor, memory, files, signals."""
