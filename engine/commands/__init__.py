"""The commands of `weft`, one file each and called as it is: its `app` is the command, or a group of commands.

A file is imported when its command is called, or for the help of all. What is heavy is imported inside the function
that needs it: `weft validate` and `weft nodes` never load torch. Inside `with answering(...) as answer`, whatever is
raised becomes an exit code and a message (or a JSON document). Results go to stdout, everything else to stderr.
"""

NAMES = (
    "run", "plan", "validate", "convert", "nodes", "schema", "explain", "doctor", "diff", "fmt", "migrate",
    "new", "lint", "mcp", "serve", "sweep", "stubs", "render", "test", "cache", "daemon",
)  # fmt: skip
"""In the order in which the help lists them."""
