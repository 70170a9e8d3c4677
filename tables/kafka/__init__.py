"""What state asks of Kafka: raw fetches, fenced transactions, topics and their offsets."""
