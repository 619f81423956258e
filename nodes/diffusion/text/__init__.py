"""From a prompt to conditioning: tokens, text encoders, weights of words, embeddings, schedules of prompts."""
