"""Graphs that are built in Python: `weft.Graph`, its nodes, what a type checker knows of them, and the way back.

graph   Graph: nodes by calls               nodes    GraphNode, GraphOutput: what a call gives
calls   what a call may give, and the inputs that come of it
stubs   the registry as a typed Graph       script   a prompt as the program that builds it
"""
