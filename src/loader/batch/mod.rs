//! Record batches, as Kafka's brokers keep, send and take them: message format 2, the only one that Kafka 4 writes.
//!
//! What is fetched is [split](split) into [`Batch`]es. One that may go on as it is is [forwarded](Batch::forward): only
//! its header changes. Of the others the [`Records`] are pushed into a [`Builder`], which copies what they hold as bytes
//! and never takes it apart. Nothing here talks to anybody.

mod builder;
mod compress;
mod cursor;
mod decompress;
mod error;
mod fetched;
mod header;
mod records;
#[cfg(test)]
mod tests;

pub use builder::{Builder, RunHeader};
pub use error::Error;
pub use fetched::{Batch, Marker, split};
pub use header::Codec;
pub use records::{Record, Records};
