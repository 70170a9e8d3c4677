"""Parts that start inside: a Kafka of one process without a JVM, and a Redis from a package.

For the demo and for tests on a machine with nothing installed. They serve this machine only, end with
whoever started them, and forget everything then. What they cannot do stands in each module.
"""
