"""From noise to a latent: schedules, noise, samplers, guidance, conditions, stages, patches of the denoiser."""
