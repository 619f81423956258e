"""What nodes put on a model beside its weights: one frozen, callable object a patch, in the model's model_options.

A patch stands where ComfyUI's packs put theirs, and is called as theirs are: in the network (families/sd/unet.py),
around guidance (Evaluation in sampling/guidance.py) or on the noise mask (Inpaint in sampling/sample.py).
It holds its settings and nothing else: what it needs to remember within one evaluation goes into that evaluation's
`scratch`. So a clone shares it, two runs may use it at once, and patches of equal settings are equal.

Each module offers functions (model, settings) -> clone of the model with the patch on it.
"""
