//! The judgement: demands on the metrics, and the one line that says why.
