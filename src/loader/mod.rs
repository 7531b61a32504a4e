//! The data loader: an exact number of records, on schedule, counted.
