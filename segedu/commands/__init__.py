"""The commands `segedu check | train | evaluate | predict`, one a file; each has add_to(commands) and run(options)."""
