"""The names that trainers give to the layers of Qwen-Image's transformer in LoRA files: the file's are diffusers'."""

LORA = ("", "transformer.", "diffusion_model.", "lora_unet_", "lycoris_", "base_model.model.")
"""What stands before the name of a module."""
