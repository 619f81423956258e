"""Files of weights and the networks that they fill: loading, patches, LoRA, merges, export, the device's memory."""
