"""Plans: definitions compiled to what runs. Everything is resolved and type-checked here, once."""
