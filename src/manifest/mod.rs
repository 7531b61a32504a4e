//! Manifests: objects of Kubernetes from files, changed for a run, applied, waited for and deleted.
//!
//! | module | job |
//! |---|---|
//! | [`documents`] | files and folders, as a list of objects |
//! | [`path`], [`setting`] | one place in an object; what a run sets there |
//! | [`order`] | what has to be there before what |
//! | [`changes`] | what became different |
//! | [`program`] | the program `apply-manifest` |

pub mod changes;
pub mod documents;
pub mod order;
pub mod path;
pub mod program;
pub mod setting;

mod apply;
mod delete;
mod error;

pub use error::Error;
