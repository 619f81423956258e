"""`weft mcp`: a server of the Model Context Protocol over stdio, for programs that write graphs.

A tool is a command of Weft's that runs in a process of its own, and nothing else: what it may do is what the command
may do, less what leaves the folders of the server (`confinement`). The server itself never loads torch.
"""
