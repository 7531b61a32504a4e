//! What a run needs, on this computer: Kafka, Prometheus, a stand-in for Heron, an inbox for Slack.
