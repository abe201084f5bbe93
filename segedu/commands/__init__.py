"""`segedu check | train | evaluate | predict | export`, a command a file; each has add_to(commands), run(options)."""
