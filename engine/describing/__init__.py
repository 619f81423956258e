"""What node classes look like from outside: JSON Schema of workflows, examples, who feeds whom, pages.

Schemas in, plain data and text out: nothing here needs a workflow, and nothing is run.
"""
