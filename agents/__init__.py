"""The flows: features (Kafka to state to Redis) and history (Kafka to Delta). No arithmetic of windows here."""
