"""The flows: features (Kafka -> state -> Redis) and history (Kafka -> Delta). Contain no arithmetic of windows."""
