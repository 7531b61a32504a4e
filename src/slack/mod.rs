//! Slack: the message of a run.
