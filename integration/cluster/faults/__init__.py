"""Faults, one module each: its docstring's first line is the title, `run(stage)` causes it and checks what follows."""
