"""Program → file: one module per target format; each conversion runs in a process of its own."""
