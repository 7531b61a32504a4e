//! Heron: submits, watches and kills topologies through the API server and the tracker.
